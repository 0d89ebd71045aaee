"""Links of the documentation that leave docs/ lead to the repository's pages on the site.

In the repository they are relative paths, which people and editors can follow. mkdocs knows only docs/, so this hook
writes them anew; one to a file that is not there is a warning, and so ends a strict build.
"""

from __future__ import annotations

import logging
import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"(\]\()(\.\./[^)\s]+)(\))")
logger = logging.getLogger("mkdocs.hooks.site_links")


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:
    """Return the page with its outward links written anew."""
    folder = posixpath.dirname(posixpath.join("docs", page.file.src_uri))

    def anew(link: re.Match[str]) -> str:
        path, separator, anchor = link[2].partition("#")
        target = posixpath.normpath(posixpath.join(folder, path))
        if target.startswith("docs/") or target == "docs":
            return link[0]
        if not (ROOT / target).exists():
            logger.warning("%s links to %s, which is not there", page.file.src_uri, target)
        kind = "tree" if (ROOT / target).is_dir() else "blob"
        return f"{link[1]}{config.repo_url.rstrip('/')}/{kind}/main/{target}{separator}{anchor}{link[3]}"

    return _LINK.sub(anew, markdown)

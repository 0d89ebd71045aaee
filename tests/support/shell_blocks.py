"""The commands of a Markdown page's shell blocks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path


def shell_blocks(page: Path) -> list[str]:
    """Return the text of each shell block, with continued lines joined."""
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", page.read_text(), flags=re.DOTALL)
    return [block.replace("\\\n", " ") for block in blocks]


def words_of(line: str) -> Iterator[list[str]]:
    """Yield the words of each command of a pipeline; comments are left out."""
    words: list[str] = []
    lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars="|")
    lexer.wordchars += "{}[]$@:,!%^&;()<>"
    for word in lexer:
        if word == "|":
            yield words
            words = []
        else:
            words.append(word)
    yield words

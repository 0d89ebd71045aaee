"""Files made from the models and lists in the code: `--write` them, or `--check` that none is stale.

- charts/mnist-operator/files: the CRD, the operator's rights, and the status fields that only the operator writes
- charts/mnist-operator/README.md: the table of values
- docs/reference/api.md: the API reference
- docs/architecture.md: the table of transitions
- deploy/base: the chart as plain manifests
- examples/*/training.yaml: examples of own code, with the files beside them
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import generators

ROOT = Path(__file__).resolve().parents[1]


def main(argv: list[str] | None = None) -> int:
    """Write the files, or say which are stale (exit code 1)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="write the files")
    action.add_argument("--check", action="store_true", help="exit 1 when one is stale")
    args = parser.parse_args(argv)
    stale = [name for name, make in generators.FILES.items() if not _one(name, make, write=args.write)]
    if stale:
        sys.stderr.write(f"stale: {', '.join(stale)}; run `make generate`\n")
    return 1 if stale else 0


def _one(name: str, make: Callable[[Path], str], *, write: bool) -> bool:
    path = ROOT / name
    found = path.read_text(encoding="utf-8") if path.is_file() else ""
    wanted = make(ROOT)
    if found == wanted:
        return True
    if write:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted, encoding="utf-8")
        return True
    diff = difflib.unified_diff(found.splitlines(), wanted.splitlines(), name, "generated", lineterm="", n=1)
    sys.stderr.write("\n".join(list(diff)[:30]) + "\n")
    return False


if __name__ == "__main__":
    sys.exit(main())

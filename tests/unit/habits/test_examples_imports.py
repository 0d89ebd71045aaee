"""What the examples import of ours is there, also what they import within a function that only a cluster calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = sorted((ROOT / "examples").rglob("*.py"))


def imported(source: str) -> Iterator[tuple[str, str | None]]:
    """Modules of ours that a script imports, each with a name that it takes from it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names if alias.name.startswith("mnist_"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mnist_"):
            yield from ((node.module or "", alias.name) for alias in node.names)


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.name)
def test_what_an_example_imports_is_there(script: Path) -> None:
    for module, name in imported(script.read_text()):
        found = import_module(module)
        assert name is None or hasattr(found, name), f"{module} has no {name}"

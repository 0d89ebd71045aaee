"""What `make lint` refuses, a commit's hooks refuse first."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]


def lint_commands() -> set[str]:
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    lines = [line.strip().removeprefix("@") for line in recipe[1].splitlines()]
    return {line.replace("$(BIN)", ".venv/bin").removesuffix(" .") for line in lines}


def test_every_check_of_make_lint_is_a_hook_of_pre_commit() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    # Hooks are given the changed files; what they format, they format at once.
    entries = {hook["entry"].replace(" --force-exclude", "") for hook in hooks}
    wanted = {command.replace("ruff format --check", "ruff format") for command in lint_commands()}
    assert wanted - entries == set()

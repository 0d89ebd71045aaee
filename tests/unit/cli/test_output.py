"""Whoever reads the output, or does not: help as it is written, a closed pipe, a full disk, a terminal in ASCII."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BARE = {
    "mnistctl": ["mnist_cli"],
    "mnistctl data": ["mnist_cli", "data"],
    "mnistctl local": ["mnist_cli", "local"],
    "mnistctl runs": ["mnist_cli", "runs"],
    "python -m mnist_cli.buckethandler": ["mnist_cli.buckethandler"],
    "mnist-trainer": ["mnist_trainer"],
    "mnist-trainer runs": ["mnist_trainer", "runs"],
}


def run(module: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, text=True, timeout=60, stderr=subprocess.PIPE, **options)


@pytest.mark.parametrize("command", BARE.values(), ids=BARE)
def test_without_a_command_the_help_is_shown_as_it_is(command: list[str]) -> None:
    ran = run(*command, stdout=subprocess.PIPE)
    asked = run(*command, "--help", stdout=subprocess.PIPE)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == asked.stdout
    assert "Commands:\n" in ran.stderr


@pytest.mark.parametrize("command", BARE.values(), ids=BARE)
def test_a_reader_that_is_gone_ends_it_quietly_as_sigpipe_ends_other_tools(command: list[str]) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        ran = run(*command, "--help", stdout=theirs)
    finally:
        os.close(theirs)
    assert (ran.returncode, ran.stderr) == (141, "")


@pytest.mark.parametrize("module", ["mnist_cli", "mnist_trainer"])
def test_a_full_disk_behind_the_output_is_one_line(module: str) -> None:
    with Path("/dev/full").open("w") as full:
        ran = run(module, "--help", stdout=full)
    assert ran.returncode == 1
    assert ran.stderr.endswith(": the output cannot be written: No space left on device\n")
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize("env", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}], ids=str)
def test_what_a_terminal_cannot_show_is_replaced(env: dict[str, str], tmp_path: Path) -> None:
    kept = {key: value for key, value in os.environ.items() if key not in ("LC_ALL", "PYTHONIOENCODING", "PYTHONUTF8")}
    ran = run("mnist_cli", "local", "status", "--dir", "Größe", stdout=subprocess.PIPE, cwd=tmp_path, env=kept | env)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert ran.stdout == "no local stack is running in Gr??e\n"

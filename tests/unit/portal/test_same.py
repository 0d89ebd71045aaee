"""What the pages call "the same with kubectl or Python" is what the client and the command line really have."""

from __future__ import annotations

import ast
import inspect
import shlex
from importlib import import_module

import pytest
import typer

import mnist_client
from mnist_cli import __main__
from mnist_client import Client
from mnist_portal import same

ALL = [
    same.listing(""), same.listing("lab"), same.clusters(), same.looking("lab", "mnist"), same.logs("lab", "mnist", 0),
    same.logs("lab", "mnist", 2), same.suspending("lab", "mnist", True), same.suspending("lab", "mnist", False),
    same.scaling("lab", "mnist", 4), same.deleting("lab", "mnist"), same.creating("mnist"),
    same.fetching("lab", "mnist", {"model": "s3://models/x/model.safetensors"}),
]  # fmt: skip


@pytest.mark.parametrize("commands", ALL, ids=lambda one: one.shell.splitlines()[0])
def test_python_is_the_clients_own(commands: same.Same) -> None:
    tree = ast.parse(commands.python)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.module == "mnist_client"
            assert all(hasattr(mnist_client, alias.name) for alias in node.names)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id == "client":
                method = inspect.signature(getattr(Client, node.func.attr))
                method.bind(None, *node.args, **{key.arg or "": key.value for key in node.keywords})


@pytest.mark.parametrize("commands", ALL, ids=lambda one: one.shell.splitlines()[0])
def test_mnistctl_has_these_commands_and_options(commands: same.Same) -> None:
    for line in commands.shell.splitlines():
        words = shlex.split(line)
        if words[0] != "mnistctl":
            assert words[0] in ("kubectl", "aws")
            continue
        module = import_module(__main__.COMMANDS[words[1]][0])
        app = typer.Typer()
        app.command(words[1])(getattr(module, words[1]))
        typer.main.get_command(app).make_context(words[1], words[2:])

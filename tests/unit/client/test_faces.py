"""The two faces of the client are one: the same methods, arguments and descriptions."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest

from mnist_client import AsyncClient, Client

ONLY_ASYNC = {"api", "as_user", "connection", "in_namespace", "log_chunks"}
"""What serves programs that have an event loop, and speak to the Kubernetes API themselves."""


def members(face: type) -> set[str]:
    return {name for name in dir(face) if not name.startswith("_")}


def test_both_have_the_same_methods() -> None:
    assert members(AsyncClient) - ONLY_ASYNC == members(Client)


@pytest.mark.parametrize("name", sorted(members(Client) | {"__init__"}))
def test_a_method_is_the_same_in_both(name: str) -> None:
    one, other = (inspect.getattr_static(face, name) for face in (AsyncClient, Client))
    if isinstance(one, property):
        one, other = one.fget, other.fget
    if isinstance(one, classmethod):
        one, other = one.__func__, other.__func__
    assert parameters(one) == parameters(other)
    if name not in ("__init__", "close"):
        assert inspect.getdoc(one) == inspect.getdoc(other)


def parameters(method: Callable[..., object]) -> list[tuple[str, object, object]]:
    signature = inspect.signature(method, eval_str=False)
    return [(item.name, item.kind, item.default) for item in signature.parameters.values()]

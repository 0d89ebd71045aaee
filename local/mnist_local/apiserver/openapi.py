"""The OpenAPI v3 documents that the server publishes: what `kubectl` reads of them, and no more.

Of custom kinds there is the schema, for `kubectl explain`; of every kind the path of an object with the parameters of
its patch, where `kubectl` sees that the server checks fields itself (`fieldValidation`). For the types of built-in
kinds `kubectl` falls back on those that it is compiled with.
"""

from collections.abc import Iterable
from typing import Any, Final

from mnist_local.apiserver.resource import Resource

_INFO: Final = {"title": "Kubernetes", "version": "v1.36.0"}
_PATCHES: Final = (
    "application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json",
)  # fmt: skip
_PARAMETERS: Final = {
    "dryRun": "Whether to do everything but store the result; the only value is All.",
    "fieldManager": "Who makes the change.",
    "fieldValidation": "What to do about unknown or duplicate fields: Ignore, Warn or Strict.",
    "force": "Apply fields even if another manager has set them.",
}
_META: Final = {
    "apiVersion": {"description": "The version of this kind, with its group.", "type": "string"},
    "kind": {"description": "The name of this kind.", "type": "string"},
    "metadata": {"description": "Name, labels and the like, the same for every kind.", "type": "object"},
}


def openapi_v3(kinds: Iterable[Resource]) -> dict[str, Any]:
    """The document of the kinds of one group version."""
    kinds = list(kinds)
    return {
        "openapi": "3.0.0",
        "info": _INFO,
        "paths": {_path(kind): _operations(kind) for kind in kinds},
        "components": {
            "schemas": {
                ".".join([*reversed(kind.group.split(".")), kind.version, kind.kind]): _definition(kind)
                for kind in kinds
                if kind.openapi is not None
            }
        },
    }


def _path(kind: Resource) -> str:
    prefix = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    return f"{prefix}{'/namespaces/{namespace}' if kind.namespaced else ''}/{kind.plural}/{{name}}"


def _extension(kind: Resource) -> dict[str, str]:
    return {"group": kind.group, "kind": kind.kind, "version": kind.version}


def _operations(kind: Resource) -> dict[str, Any]:
    if "patch" not in kind.verbs:
        return {}
    parameters = [
        {"name": name, "in": "query", "description": text, "schema": {"type": "string", "uniqueItems": True}}
        for name, text in _PARAMETERS.items()
    ]
    operation = {
        "parameters": parameters,
        "requestBody": {"content": {media_type: {"schema": {"type": "object"}} for media_type in _PATCHES}},
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": _extension(kind),
    }
    return {"patch": operation}


def _definition(kind: Resource) -> dict[str, Any]:
    schema = kind.openapi or {}
    properties = {**(schema.get("properties") or {}), **_META}
    extension = {"x-kubernetes-group-version-kind": [_extension(kind)]}
    return {**schema, "type": "object", "properties": dict(sorted(properties.items())), **extension}

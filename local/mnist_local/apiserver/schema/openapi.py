"""The OpenAPI v3 documents that the server publishes: what `kubectl` reads of them, and no more.

Of custom kinds there is the schema, for `kubectl explain`; of every kind the path of an object with the parameters of
its patch, where `kubectl` sees that the server checks fields itself (`fieldValidation`). For the types of built-in
kinds `kubectl` falls back on those that it is compiled with.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

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


@dataclass(frozen=True)
class ServedKind:
    """A kind as it is served; `schema` is a custom resource's OpenAPI v3 schema, None for a built-in kind."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    schema: dict[str, Any] | None
    verbs: tuple[str, ...]
    has_status: bool

    @property
    def _extension(self) -> dict[str, str]:
        return {"group": self.group, "kind": self.kind, "version": self.version}

    def path(self) -> str:
        """The path of one object."""
        prefix = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{prefix}{'/namespaces/{namespace}' if self.namespaced else ''}/{self.plural}/{{name}}"

    def operations(self) -> dict[str, Any]:
        """The operations of that path which clients look up."""
        parameters = [
            {"name": name, "in": "query", "description": text, "schema": {"type": "string", "uniqueItems": True}}
            for name, text in _PARAMETERS.items()
        ]
        return {
            verb: {
                "parameters": parameters,
                "requestBody": {"content": {media_type: {"schema": {"type": "object"}} for media_type in media_types}},
                "responses": {"200": {"description": "OK"}},
                "x-kubernetes-action": verb,
                "x-kubernetes-group-version-kind": self._extension,
            }
            for verb, name, media_types in (("patch", "patch", _PATCHES), ("put", "update", ("application/json",)))
            if name in self.verbs
        }

    def definition(self) -> dict[str, Any]:
        """The schema of a custom kind, with the fields that every object has."""
        schema = self.schema or {}
        properties = {**(schema.get("properties") or {}), **_META}
        extension = {"x-kubernetes-group-version-kind": [self._extension]}
        return {**schema, "type": "object", "properties": dict(sorted(properties.items())), **extension}


def openapi_v3(group: str, version: str, kinds: Iterable[ServedKind]) -> dict[str, Any]:
    """The document of one group version, from those of `kinds` that belong to it."""
    served = [kind for kind in kinds if (kind.group, kind.version) == (group, version)]
    schemas = {
        ".".join([*reversed(group.split(".")), version, kind.kind]): kind.definition()
        for kind in served
        if kind.schema is not None
    }
    return {
        "openapi": "3.0.0",
        "info": _INFO,
        "paths": {kind.path(): kind.operations() for kind in served if kind.operations()},
        "components": {"schemas": schemas},
    }

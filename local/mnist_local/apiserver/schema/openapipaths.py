"""The paths of a kind in an OpenAPI document: what clients look up there are actions, parameters and patch types."""

from typing import Any, Final, Protocol

_JSON: Final = "application/json"
_PATCHES: Final = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
)
_STRATEGIC: Final = "application/strategic-merge-patch+json"
_WRITE: Final = {
    "dryRun": "When present, indicates that modifications should not be persisted. Valid values are: All",
    "fieldManager": "The name of the actor that is making these changes.",
    "fieldValidation": "What to do about unknown or duplicate fields: Ignore, Warn or Strict.",
}
_FORCE: Final = {"force": "Apply fields even if another manager has set them."}
_LIST: Final = {
    "allowWatchBookmarks": "Whether a watch sends bookmarks.",
    "continue": "Where to go on in a list that is read in pieces.",
    "fieldSelector": "Restrict by fields.",
    "labelSelector": "Restrict by labels.",
    "limit": "The most items to answer with.",
    "resourceVersion": "The oldest state to answer with.",
    "timeoutSeconds": "When to end a watch.",
    "watch": "Go on with changes.",
}
_TYPES: Final = {"limit": "integer", "timeoutSeconds": "integer", "watch": "boolean", "allowWatchBookmarks": "boolean"}
Obj = dict[str, Any]


class Kind(Protocol):
    """What the paths need to know of a kind."""

    @property
    def group(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> str: ...  # noqa: D102
    @property
    def plural(self) -> str: ...  # noqa: D102
    @property
    def namespaced(self) -> bool: ...  # noqa: D102
    @property
    def schema(self) -> Obj | None: ...  # noqa: D102
    @property
    def verbs(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def has_status(self) -> bool: ...  # noqa: D102
    @property
    def gvk(self) -> dict[str, str]: ...  # noqa: D102
    @property
    def definition(self) -> str: ...  # noqa: D102


def paths_of(kind: Kind) -> Obj:
    """All paths of a kind, each with its operations."""
    prefix = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    collection = f"{prefix}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{prefix}/{kind.plural}"
    operations = _Operations(kind)
    paths = {collection: operations.of_collection(), f"{collection}/{{name}}": operations.of_item()}
    if kind.namespaced:
        paths[f"{prefix}/{kind.plural}"] = operations.of_all_namespaces()
    if kind.has_status:
        paths[f"{collection}/{{name}}/status"] = operations.of_status()
    return {path: item for path, item in sorted(paths.items()) if set(item) - {"parameters"}}


class _Operations:
    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._reference = {"$ref": f"#/components/schemas/{kind.definition}"}
        self._list_reference = {"$ref": f"#/components/schemas/{kind.definition}List"}

    def of_collection(self) -> Obj:
        found: Obj = {}
        if "list" in self._kind.verbs:
            found["get"] = self._operation("list", _LIST, self._list_reference)
        if "create" in self._kind.verbs:
            found["post"] = self._operation("post", _WRITE, self._reference, body=(_JSON,))
        if "deletecollection" in self._kind.verbs:
            found["delete"] = self._operation("deletecollection", {**_LIST, "dryRun": _WRITE["dryRun"]}, {})
        return {**found, "parameters": self._path_parameters()}

    def of_item(self) -> Obj:
        found = self._item_operations()
        if "delete" in self._kind.verbs:
            found["delete"] = self._operation("delete", {"dryRun": _WRITE["dryRun"]}, {}, body=(_JSON,))
        return {**found, "parameters": self._path_parameters("name")}

    def of_status(self) -> Obj:
        return {**self._item_operations(), "parameters": self._path_parameters("name")}

    def of_all_namespaces(self) -> Obj:
        if "list" not in self._kind.verbs:
            return {}
        return {"get": self._operation("list", _LIST, self._list_reference)}

    def _item_operations(self) -> Obj:
        found: Obj = {}
        if "get" in self._kind.verbs:
            found["get"] = self._operation("get", {}, self._reference)
        if "update" in self._kind.verbs:
            found["put"] = self._operation("put", _WRITE, self._reference, body=(_JSON,))
        if "patch" in self._kind.verbs:
            patches = _PATCHES if self._kind.schema is not None else (*_PATCHES, _STRATEGIC)
            found["patch"] = self._operation("patch", {**_WRITE, **_FORCE}, self._reference, body=patches)
        return found

    def _path_parameters(self, *names: str) -> list[Obj]:
        names = (*(("namespace",) if self._kind.namespaced else ()), *names)
        return [_parameter(name, f"The {name} of the object.", place="path") for name in names]

    def _operation(self, action: str, query: dict[str, str], answer: Obj, body: tuple[str, ...] = ()) -> Obj:
        operation: Obj = {
            "operationId": f"{action}{self._kind.version.capitalize()}{self._kind.gvk['kind']}",
            "parameters": [_parameter(name, text) for name, text in query.items()],
            "responses": {"200": {"description": "OK", "content": {_JSON: {"schema": answer}}}},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": self._kind.gvk,
        }
        if body:
            schema = self._reference if body == (_JSON,) else {"type": "object"}
            operation["requestBody"] = {"content": {media_type: {"schema": schema} for media_type in body}}
        return operation


def _parameter(name: str, description: str, place: str = "query") -> Obj:
    parameter: Obj = {"name": name, "in": place, "description": description}
    parameter["schema"] = {"type": _TYPES.get(name, "string"), "uniqueItems": True}
    if place == "path":
        parameter["required"] = True
    return parameter

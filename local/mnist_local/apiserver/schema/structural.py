"""A compiled structural schema: defaulting, pruning and validation of objects."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from mnist_local.apiserver.schema import errors
from mnist_local.apiserver.schema.correlate import Correlated
from mnist_local.apiserver.schema.defaulting import apply_defaults, drop_nulls
from mnist_local.apiserver.schema.defaultrules import check_defaults
from mnist_local.apiserver.schema.embedded import check_embedded
from mnist_local.apiserver.schema.errors import FieldError, SchemaError
from mnist_local.apiserver.schema.listtypes import check_lists
from mnist_local.apiserver.schema.node import Json, Node
from mnist_local.apiserver.schema.openapirules import check_keywords
from mnist_local.apiserver.schema.parse import parse
from mnist_local.apiserver.schema.pruning import prune, prune_metadata
from mnist_local.apiserver.schema.rulecheck import check_rules
from mnist_local.apiserver.schema.rules import RuleCompiler
from mnist_local.apiserver.schema.structure import check_structural
from mnist_local.apiserver.schema.types.nodes import object_meta
from mnist_local.apiserver.schema.types.normalize import normalize
from mnist_local.apiserver.schema.values import check

_BLOCKS_RULES = {errors.NOT_SUPPORTED, errors.REQUIRED, errors.TOO_LONG, errors.TOO_MANY, errors.TYPE_INVALID}
_UNCHECKED = (
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)


class StructuralSchema:
    """The schema of one kind.

    `root` describes the object; `source` is the OpenAPI v3 schema it came from. All methods take whole objects, with
    apiVersion, kind and metadata; `default` and `prune` work in place.
    """

    def __init__(self, root: Node, source: Mapping[str, Json], *, is_builtin: bool = False) -> None:
        self.root = root
        self.source = source
        self.is_builtin = is_builtin

    @cached_property
    def merge_root(self) -> Node:
        """The schema for patches and field ownership: `root`, with the metadata that every object has."""
        return self.root if self.is_builtin else _with_meta(self.root)

    @classmethod
    def compile(
        cls, openapi_v3_schema: Mapping[str, Json], path: str = "spec.validation.openAPIV3Schema"
    ) -> "StructuralSchema":
        """Compile a CRD version's schema.

        `path` is where errors say the schema stands; with several versions the real server says
        `spec.versions[0].schema.openAPIV3Schema`. Raises `SchemaError` with all errors found.
        """
        root = parse(openapi_v3_schema)
        found = [*check_structural(root, path), *check_keywords(root, path)]
        if root.nullable:
            found.insert(0, errors.forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
        if not found:
            rules = RuleCompiler()
            rules.compile(root, path)
            found = rules.errors or list(check_defaults(root, path))
        if found:
            raise SchemaError(found)
        root.note_what_is_below()
        return cls(root, openapi_v3_schema)

    def default(self, obj: dict[str, Any]) -> None:
        """Drop nulls that are neither allowed nor defaulted, then fill in defaults.

        Quantities and times of built-in kinds take their canonical form. (What the server's own defaulting functions
        add to built-in kinds is not a schema's business, except for fields that are keys of lists.)
        """
        drop_nulls(obj, self.root)
        apply_defaults(obj, self.root)
        if self.is_builtin:
            normalize(obj, self.root)

    def prune(self, obj: dict[str, Any]) -> list[str]:
        """Remove unknown fields; returns their paths as `kubectl` shows them ("spec.foo")."""
        if self.is_builtin:
            return prune(obj, self.root)
        return sorted(prune(obj, self.root, is_root=True) + prune_metadata(obj, self.root))

    def _check_status(self, obj: dict[str, Any], correlated: Correlated | None) -> list[FieldError]:
        """Like the real server, name fields from the status on in the text, and from the object on in the path."""
        node = self.root.properties.get("status")
        if node is None or "status" not in obj:
            return []
        pair = correlated.key("status") if correlated is not None else None
        return [error.below("status") for error in check(node, obj["status"], "", pair)]

    def validate(
        self, obj: dict[str, Any], old: dict[str, Any] | None = None, subresource: str = ""
    ) -> list[FieldError]:
        """All errors of an object; with `old`, as an update: what is unchanged is tolerated, transition rules run.

        For the "status" subresource types and bounds are checked in the status only; rules always run on the object.
        """
        correlated = Correlated(self.root, obj, old) if old is not None else None
        if subresource == "status":
            found = self._check_status(obj, correlated)
        else:
            found = check(self.root, obj, "", correlated)
        found += check_embedded(obj, self.root, "")
        if old is None or not any(True for _ in check_lists(old, self.root, "")):
            found += check_lists(obj, self.root, "")
        if self.root.cel is not None:
            if any(error.reason in _BLOCKS_RULES for error in found):
                found.append(errors.invalid("", None, _UNCHECKED))
            else:
                found += check_rules(self.root, obj, old, "", correlated)
        return found


def _with_meta(node: Node) -> Node:
    """A custom resource's schema with apiVersion, kind and metadata in full, also in embedded resources."""
    properties = {name: _in_embedded(child) for name, child in node.properties.items()}
    text = Node("string")
    return node.with_properties({**properties, "apiVersion": text, "kind": text, "metadata": object_meta()})


def _in_embedded(node: Node) -> Node:
    clone = node.with_properties({name: _in_embedded(child) for name, child in node.properties.items()})
    if node.items is not None:
        clone.items = _in_embedded(node.items)
    if node.additional is not None:
        clone.additional = _in_embedded(node.additional)
    return _with_meta(clone) if node.embedded else clone

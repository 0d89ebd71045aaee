"""A kind's schema at work: what an object goes through between decoding and the store.

Unknown fields are pruned, nulls dropped and defaults filled in, all in place; then types and bounds (`values`), the
uniqueness of list items and the CEL rules (`rules`) are checked. On an update what is unchanged is tolerated, so that a
stricter schema does not lock the objects that are stored already (KEP-4008).
"""

from collections.abc import Mapping
from copy import copy as shallow_copy
from functools import cached_property
from typing import Any, Final

from mnist_local.apiserver.schema import builtin, errors
from mnist_local.apiserver.schema.errors import FieldError, SchemaError
from mnist_local.apiserver.schema.node import MISSING, Correlated, Node, parse
from mnist_local.apiserver.schema.objects import check_lists, fill, prune
from mnist_local.apiserver.schema.rules import check_rules, compile_rules
from mnist_local.apiserver.schema.values import Values

_BLOCKS_RULES: Final = {
    errors.NOT_SUPPORTED, errors.REQUIRED, errors.TOO_LONG, errors.TOO_MANY, errors.TYPE_INVALID,
}  # fmt: skip
_PATH: Final = "spec.validation.openAPIV3Schema"
"""Where errors say that the schema stands: the place from the time of one version."""
_UNCHECKED: Final = (
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)


class StructuralSchema:
    """The schema of one custom kind.

    `root` describes the object. All methods take whole objects, with apiVersion, kind and metadata (whose own fields
    are not the schema's business); `default` and `prune` work in place.
    """

    def __init__(self, root: Node) -> None:
        self.root = root

    @classmethod
    def compile(cls, openapi_v3_schema: Mapping[str, Any]) -> "StructuralSchema":
        """Compile the schema of a CRD's one version.

        Raises:
            SchemaError: with all errors found.
        """
        root = parse(openapi_v3_schema)
        compiled = cls(root)
        if found := [*compiled._values.problems(_PATH), *compile_rules(root, _PATH)]:
            raise SchemaError(found)
        return compiled

    @cached_property
    def merge_root(self) -> Node:
        """The schema for patches and field ownership: `root` with the metadata that every object has."""
        clone, text = shallow_copy(self.root), Node("string")
        clone.properties = {
            **self.root.properties, "apiVersion": text, "kind": text, "metadata": builtin.object_meta(),
        }  # fmt: skip
        return clone

    @cached_property
    def _values(self) -> Values:
        return Values(self.root)

    @cached_property
    def _status_values(self) -> Values:
        return Values(self.root.properties["status"], "status")

    def default(self, obj: dict[str, Any]) -> None:
        fill(obj, self.root)

    def prune(self, obj: dict[str, Any]) -> list[str]:
        return prune(obj, self.root)

    def validate(
        self, obj: dict[str, Any], old: dict[str, Any] | None = None, subresource: str = ""
    ) -> list[FieldError]:
        """All errors of an object, or of its change from `old`.

        For the "status" subresource types and bounds are checked in the status only; rules always run on the object.
        """
        correlated = Correlated(self.root, obj, MISSING if old is None else old)
        if subresource != "status":
            found = self._values.check(obj, correlated)
        elif "status" in obj and "status" in self.root.properties:
            found = self._status_values.check(obj["status"], correlated.child("status"))
        else:
            found = []
        if old is None or not any(True for _ in check_lists(old, self.root, "")):
            found += check_lists(obj, self.root, "")
        if self.root.rules is not None:
            if any(error.reason in _BLOCKS_RULES for error in found):
                found.append(errors.invalid("", None, _UNCHECKED))
            else:
                found += check_rules(correlated, "")
        return found

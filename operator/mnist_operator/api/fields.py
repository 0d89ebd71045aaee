"""Building blocks of the API models: the base class, CEL rules, and field types that recur."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class ApiModel(BaseModel):
    """Base of every API model: camelCase on the wire, snake_case in Python.

    Unknown fields are ignored: the API server prunes them, and refuses them for clients that ask for strict
    validation, so an operator older than the CRD keeps working.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


def cel(rule: str, message: str, *, field: str | None = None, reason: str = "FieldValueInvalid") -> dict[str, str]:
    """Return one entry of `x-kubernetes-validations`."""
    entry = {"rule": rule, "message": message, "reason": reason}
    if field is not None:
        entry["fieldPath"] = field
    return entry


def unchanged(field: str, sentence: str) -> dict[str, str]:
    """Return a transition rule on the parent of an optional `field`: it may not change, appear or go.

    A rule on the optional field itself would not run when the field appears or goes.
    """
    rule = f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
    return cel(rule, sentence, field=f".{field}", reason="FieldValueForbidden")


FROZEN_MARK = "x-frozen"
FROZEN: dict[str, Any] = {FROZEN_MARK: True}
"""The `json_schema_extra` of a field whose default the API server writes into every object when it is created.

All other defaults are applied by whoever reads, through these models, and are not in the object: each field that is
there makes every write of the object dearer. Frozen are those whose default a later version could not change without
changing what a running or finished training is: its recipe, where its data came from and its model went, how many
workers shared a batch. (`kubectl scale` needs the number of workers in the object besides.)
"""


def fixed(sentence: str) -> dict[str, Any]:
    """Return a `json_schema_extra` for a field that may not change once it has a value; it has a frozen default."""
    return {**FROZEN, **validations(cel("self == oldSelf", sentence, reason="FieldValueForbidden"))}


def validations(*rules: dict[str, str]) -> dict[str, Any]:
    """Return a `json_schema_extra` that puts CEL rules on a model.

    The API server runs them on every update of the status, too, wherever the part that they stand on is there. So a
    rule stands as deep as it can: on a part that is absent unless somebody wrote it, it mostly costs nothing.
    """
    return {"x-kubernetes-validations": list(rules)}


ATOMIC: dict[str, Any] = {"x-kubernetes-map-type": "atomic"}
"""The `json_schema_extra` of a part of the status that is written by one writer, as a whole.

For the API server it is then one field to keep the owner of, instead of one for each of its values, with every update.
"""


# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
QUANTITY_PATTERN = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)
Quantity = Annotated[
    int | str,
    Field(json_schema_extra={"x-kubernetes-int-or-string": True, "pattern": QUANTITY_PATTERN, "maxLength": 64}),
]
# "memory", "nvidia.com/gpu": a qualified name.
ResourceName = Annotated[str, Field(max_length=253)]
ResourceList = Annotated[dict[ResourceName, Quantity], Field(max_length=32)]

DnsSubdomain = Annotated[
    str,
    Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"),
]


class LocalObjectReference(ApiModel):
    """The name of an object in the training's namespace."""

    name: Annotated[DnsSubdomain, Field(description="Name of the object.")]


# Bucket names as S3 has them (3 to 63 characters), then an optional key. The key's characters are those that need no
# quoting in any shell: KubeRay passes an entrypoint through one shell or through two.
S3Uri = Annotated[
    str,
    Field(
        max_length=1024,
        pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._=+@:,-]+)*/?$",
    ),
]

# A part of a Kubernetes object that users fill in as they would there; the API server keeps all of it.
FreeForm = Annotated[dict[str, Any], Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})]

Timestamp = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
Annotations = Annotated[
    dict[Annotated[str, Field(max_length=316)], Annotated[str, Field(max_length=4096)]], Field(max_length=64)
]

"""From what is comfortable to type to the manifest that the API takes."""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel

from mnist_client.errors import RefusedError
from mnist_operator.api.names import API_VERSION, DNS_1035_LABEL, KIND, MAX_NAME_LENGTH
from mnist_operator.api.spec import MnistTrainingSpec, RunPolicy, StorageSpec, TrainingSpec

_SECTIONS = MnistTrainingSpec.model_fields
_HOME = {
    field: section
    for section, model in (("training", TrainingSpec), ("storage", StorageSpec), ("run_policy", RunPolicy))
    for field in model.model_fields
} | {"image": "ray"}
_SHORT: dict[str, tuple[type, str]] = {
    "workers": (int, "replicas"),
    "cluster_ref": (str, "name"),
    "submission": (str, "mode"),
}
"""Sections that one value stands for: its type, and the field that it is."""


def new_object(
    name: str,
    namespace: str | None,
    labels: Mapping[str, str] | None,
    annotations: Mapping[str, str] | None,
    fields: Mapping[str, Any],
) -> dict[str, Any]:
    """Return a manifest. Raises RefusedError, naming the field, for what the API would not take either."""
    _check_name(name)
    metadata: dict[str, Any] = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    metadata |= {key: dict(value) for key, value in (("labels", labels), ("annotations", annotations)) if value}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": _spec(name, fields)}


def replaced(
    obj: Mapping[str, Any], name: str | None, namespace: str | None, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the manifest of another training that differs from `obj` in these; what the API wrote is left out."""
    metadata = obj["metadata"]
    made = new_object(
        name or metadata["name"],
        namespace or metadata.get("namespace"),
        metadata.get("labels"),
        metadata.get("annotations"),
        fields,
    )
    made["spec"] = _merged(copy.deepcopy(obj.get("spec") or {}), made["spec"])
    return made


def _check_name(name: str) -> None:
    if not re.fullmatch(DNS_1035_LABEL, name) or len(name) > MAX_NAME_LENGTH:
        raise RefusedError(
            f"{name!r} cannot be a training's name: at most {MAX_NAME_LENGTH} lower-case letters, digits and '-', "
            "beginning with a letter"
        )


def _spec(name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = {}
    for field, value in fields.items():
        if value is None:
            continue
        if field in _SECTIONS:
            _put(name, spec.setdefault(to_camel(field), {}), field, _section(field, value))
        elif field in _HOME:
            _put(name, spec.setdefault(to_camel(_HOME[field]), {}), _HOME[field], {to_camel(field): value})
        else:
            raise RefusedError(f"Training {name}: there is no field {field!r}{_meant(field)}")
    try:
        # `forbid`: what has a slip of the pen must not be dropped unheard.
        checked = MnistTrainingSpec.model_validate(spec, extra="forbid")
    except ValidationError as error:
        raise RefusedError(f"Training {name}: {_complaints(error)}") from None
    return _dumped(checked)


def _put(name: str, section: dict[str, Any], title: str, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if key in section:
            raise RefusedError(f"Training {name}: {title} has its {key} twice, in the section and by itself")
        section[key] = value


def _section(field: str, value: Any) -> dict[str, Any]:
    kind, key = _SHORT.get(field, (type(None), ""))
    if isinstance(value, BaseModel):
        return _dumped(value)
    if isinstance(value, kind) and not isinstance(value, bool):
        return {key: value}
    if not isinstance(value, Mapping):
        raise RefusedError(f"{field} is a section of the spec: give a dictionary or its model, not {value!r}")
    return {to_camel(key) if "_" in key else key: item for key, item in value.items()}


def _dumped(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)


def _merged(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in over.items():
        nested = isinstance(value, Mapping) and isinstance(base.get(key), dict)
        base[key] = _merged(base[key], value) if nested else value
    return base


def _meant(field: str) -> str:
    close = difflib.get_close_matches(field, [*_SECTIONS, *_HOME], n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _complaints(error: ValidationError) -> str:
    """Such as "training.epochs: Input should be greater than or equal to 1 (not 0)"."""
    return "; ".join(
        f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}"
        + ("" if entry["type"] == "extra_forbidden" else f" (not {entry['input']!r:.80})")
        for entry in error.errors(include_url=False)
    )

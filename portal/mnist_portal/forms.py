"""The form of a new training, made from the CRD's schema: fields with its own help, bounds and defaults. No I/O.

A field's name is the path of what it sets, such as `spec.training.epochs`. What is left empty is not in the manifest.
What has no simple field (templates, groups of workers, maps) is written as YAML.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from mnist_kube.objects import Object
from mnist_kube.resources import TRAININGS

_FIRST = ("training", "workers", "storage")
_WIDE = ("dataset", "output", "image", "endpoint")
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True)
class Field:
    """One field. `kind` is text, number, choice, yes or yaml."""

    name: str
    label: str
    help: str
    kind: str
    default: Any = None
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    whole: bool = False
    longest: int | None = None
    is_wide: bool = False

    @property
    def id(self) -> str:
        """The field's id in the page."""
        return "f-" + self.name.replace(".", "-")


@dataclass(frozen=True)
class Section:
    """The fields of one part of the spec."""

    name: str
    title: str
    help: str
    fields: tuple[Field, ...]

    @property
    def is_open(self) -> bool:
        """Whether it is shown at first: what most trainings set."""
        return self.name in _FIRST


@dataclass
class Filled:
    """What somebody has put into the form, and what is wrong with it, by the fields' names."""

    values: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    """What is wrong with no field of its own."""

    @property
    def is_right(self) -> bool:
        """Whether nothing is known to be wrong."""
        return not self.wrong and not self.others


def sections_of(schema: Mapping[str, Any]) -> list[Section]:
    """Return the form of a spec's schema; first what most trainings set."""
    found = []
    for name, part in (schema.get("properties") or {}).items():
        fields = tuple(_fields(part, f"spec.{name}"))
        found.append(Section(name, _title(name), str(part.get("description") or ""), fields))
    return sorted(found, key=lambda one: _FIRST.index(one.name) if one.name in _FIRST else len(_FIRST))


def _fields(schema: Mapping[str, Any], path: str) -> list[Field]:
    if schema.get("properties"):
        below = [_fields(part, f"{path}.{name}") for name, part in schema["properties"].items()]
        return [one for fields in below for one in fields]
    kind, last = str(schema.get("type") or ""), path.rpartition(".")[2]
    shared: dict[str, Any] = {
        "name": path,
        "label": _label(path),
        "help": str(schema.get("description") or ""),
        "default": schema.get("default"),
        "is_wide": last in _WIDE,
    }
    if schema.get("enum"):
        return [Field(**shared, kind="choice", choices=tuple(map(str, schema["enum"])))]
    if kind == "boolean":
        return [Field(**shared, kind="yes")]
    if kind in ("integer", "number"):
        bounds: dict[str, Any] = {"low": schema.get("minimum"), "high": schema.get("maximum")}
        return [Field(**shared, **bounds, kind="number", whole=kind == "integer")]
    if kind == "string":
        return [Field(**shared, kind="text", longest=schema.get("maxLength"))]
    return [Field(**{**shared, "is_wide": True}, kind="yaml")]


def _label(path: str) -> str:
    """The path in words, without the section: `spec.workers.resources.limits` is "Resources: limits"."""
    whole = path.split(".")[1:]
    # A name alone says too little, and would be there several times.
    parts = [_WORDS.sub(" ", part).lower() for part in (whole if whole[1:] == ["name"] else whole[1:])]
    text = ": ".join(parts) or _WORDS.sub(" ", path.rpartition(".")[2]).lower()
    return text[:1].upper() + text[1:]


def _title(name: str) -> str:
    text = _WORDS.sub(" ", name).lower()
    return text[:1].upper() + text[1:]


def values_of(obj: Mapping[str, Any], sections: list[Section]) -> dict[str, str]:
    """Return a manifest as the form's values."""
    metadata = obj.get("metadata") or {}
    values = {key: str(metadata[key]) for key in ("name", "namespace") if metadata.get(key)}
    for section in sections:
        for one in section.fields:
            found = _at(obj, one.name.split("."))
            if found is not None and found != {}:
                values[one.name] = _text(found, one)
    return values


def manifest_of(filled: Filled, sections: list[Section]) -> Object:
    """Return the manifest that the values say; what cannot be read is noted in `filled.wrong`, and left out."""
    metadata = {key: filled.values[key].strip() for key in ("name", "namespace") if filled.values.get(key, "").strip()}
    obj: Object = {"apiVersion": TRAININGS.api_version, "kind": TRAININGS.kind, "metadata": metadata, "spec": {}}
    for section in sections:
        for one in section.fields:
            text = filled.values.get(one.name, "").strip()
            if not text:
                continue
            try:
                value = _value(text, one)
            except ValueError as error:
                filled.wrong[one.name] = str(error)
                continue
            if value != one.default:
                _put(obj, one.name.split("."), value)
    return obj


def note(filled: Filled, causes: list[Mapping[str, Any]], message: str, sections: list[Section]) -> None:
    """Write down what the API server refuses: at the field that it names, or else for all to see."""
    names = {one.name for section in sections for one in section.fields} | {"name", "namespace"}
    for cause in causes:
        path, said = str(cause.get("field") or ""), str(cause.get("message") or "")
        path = re.sub(r"\[.*?\]", "", path).removeprefix("metadata.")
        at = next(
            (name for name in sorted(names, key=len, reverse=True) if path == name or path.startswith(f"{name}.")), ""
        )
        if at:
            filled.wrong.setdefault(at, said)
        else:
            filled.others.append(f"{path}: {said}" if path else said)
    if not causes:
        filled.others.append(message)


def _value(text: str, one: Field) -> Any:
    """A field's text as the manifest has it. Raises ValueError with a sentence."""
    match one.kind:
        case "number":
            return _number(text, one)
        case "yes":
            return text == "true"
        case "yaml":
            return _yaml(text)
    return text


def _number(text: str, one: Field) -> float | int:
    try:
        number = int(text) if one.whole else float(text)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is not a {'whole ' if one.whole else ''}number") from None
    if one.low is not None and number < one.low:
        raise ValueError(f"must be {one.low:g} or more")
    if one.high is not None and number > one.high:
        raise ValueError(f"must be {one.high:g} or less")
    return number


def _yaml(text: str) -> Any:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise ValueError(f"is not YAML{where}: {getattr(error, 'problem', None) or 'it cannot be read'}") from None
    if not isinstance(value, dict | list):
        raise ValueError("must be YAML with keys or a list, such as `cpu: 2`")
    return value


def _text(value: Any, one: Field) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if one.kind == "yaml" or isinstance(value, dict | list):
        return str(yaml.safe_dump(value, sort_keys=False, default_flow_style=False, allow_unicode=True)).strip()
    return str(value)


def _at(obj: Any, path: list[str]) -> Any:
    for key in path:
        if not isinstance(obj, Mapping) or key not in obj:
            return None
        obj = obj[key]
    return obj


def _put(obj: Object, path: list[str], value: Any) -> None:
    for key in path[:-1]:
        obj = obj.setdefault(key, {})
    obj[path[-1]] = value

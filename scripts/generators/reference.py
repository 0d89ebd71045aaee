"""The API reference, from the generated CRD."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mnist_operator.api import names
from mnist_operator.api.crd import custom_resource_definition
from mnist_operator.api.schema import Defaults, structural_schema
from mnist_operator.api.spec import MnistTrainingSpec

Schema = dict[str, Any]
_BOUNDS = (
    ("minimum", "≥ {}"),
    ("maximum", "≤ {}"),
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("minItems", "at least {} items"),
    ("maxItems", "at most {} items"),
    ("maxProperties", "at most {} entries"),
)


def api(_: Path) -> str:
    """Return the reference as Markdown."""
    version = custom_resource_definition()["spec"]["versions"][0]
    root = version["schema"]["openAPIV3Schema"]
    lines = [
        "<!-- Generated from the models in operator/mnist_operator/api by `make generate`. Do not edit. -->",
        f"# {names.KIND} ({names.API_VERSION})",
        "",
        root["description"],
        "",
        f"`kubectl explain {names.SINGULAR}.spec` says the same in the terminal. Short name: `{names.SHORT_NAMES[0]}`.",
        "Every field has a default, so `spec: {}` is a whole manifest.",
        "",
        "The API server writes the defaults of the recipe, of the storage and of the number of workers into a new",
        "object (marked *stored*), so that they stay as they were when it was made. All others are not in the object",
        "unless somebody wrote them. The operator applies them, and `mnistctl status` shows them.",
        "",
        *_rules(root, "Rules"),
    ]
    spec = structural_schema(MnistTrainingSpec, defaults=Defaults.ALL)
    spec["description"] = root["properties"]["spec"]["description"]
    stored = dict(_objects(("spec",), root["properties"]["spec"]))
    for path, schema in _objects(("spec",), spec):
        lines += _section(path, schema, stored[path])
    for path, schema in _objects(("status",), root["properties"]["status"]):
        lines += _section(path, schema, schema)
    lines += ["## Columns", "", "| `kubectl get mt` | what it shows |", "|---|---|"]
    for column in version["additionalPrinterColumns"]:
        wide = " (`-o wide`)" if column.get("priority") else ""
        lines.append(f"| {column['name'].upper()}{wide} | {column.get('description', 'Time since the creation.')} |")
    return "\n".join(lines) + "\n"


def _objects(path: tuple[str, ...], schema: Schema) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """Yield an object and those below it, each with its path."""
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        if "properties" in field:
            yield from _objects((*path, name), field)
        elif "properties" in field.get("items", {}):
            yield from _objects((*path, f"{name}[]"), field["items"])


def _section(path: tuple[str, ...], schema: Schema, stored: Schema) -> list[str]:
    """Return the section of one object; `stored` is its schema with the defaults that the API server writes."""
    lines = [f"{'#' * min(len(path) + 1, 4)} {'.'.join(path)}", ""]
    if description := schema.get("description"):
        lines += [description, ""]
    lines += ["| Field | Type | Default | Description |", "|---|---|---|---|"]
    required = set(schema.get("required", []))
    for name, field in schema.get("properties", {}).items():
        default = f"`{json.dumps(field['default'])}`" if "default" in field and not _deep(field) else ""
        if default and "default" in stored["properties"][name]:
            default += " *stored*"
        if name in required:
            default = "*required*"
        lines.append(f"| `{name}` | {_type(field)} | {default} | {_text(field)} |")
    return [*lines, "", *_rules(schema, "Rules")]


def _deep(field: Schema) -> bool:
    return "properties" in field


def _type(field: Schema) -> str:
    if field.get("x-kubernetes-int-or-string"):
        return "quantity"
    if "enum" in field:
        return " \\| ".join(f"`{value}`" for value in field["enum"])
    if field.get("format") == "date-time":
        return "time"
    if "items" in field:
        return f"list of {_type(field['items'])}"
    if "additionalProperties" in field:
        return f"map to {_type(field['additionalProperties'])}"
    return str(field.get("type", "any"))


def _text(field: Schema) -> str:
    bounds = [
        text.format(f"{field[key]:,}" if field[key] >= 10_000 else field[key]) for key, text in _BOUNDS if key in field
    ]
    text = str(field.get("description", "")).replace("|", "\\|").replace("<", "&lt;")
    return f"{text} *{', '.join(bounds)}*".strip() if bounds else text


def _rules(schema: Schema, title: str) -> list[str]:
    rules = schema.get("x-kubernetes-validations", [])
    if not rules:
        return []
    return [f"{title}:", "", *(f"- {rule['message']}" for rule in rules), ""]

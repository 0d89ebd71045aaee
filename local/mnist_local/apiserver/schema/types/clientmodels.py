"""Reading the `kubernetes` client's models, without importing them.

The client declares each model in a file of its own, one field a line. Reading the lines that are asked for takes a
fraction of a millisecond; importing the client takes half a second and 100 MB.
"""

import ast
import importlib.util
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_FIELD = re.compile(r"    (\w+): ([^=\n]+?(?:=True[^=\n]*?)*)(?: = (Field\(.*\)|None))?$", re.MULTILINE)
_ALIAS = re.compile(r'\b(?:serialization_)?alias="([^"]+)"')
_DOCUMENTATION = re.compile(r'class \w+\(BaseModel\):\n    """\n    (.*?)\n', re.DOTALL)
_SNAKE = (re.compile(r"(.)([A-Z][a-z]+)"), re.compile(r"([a-z0-9])([A-Z])"))


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a model: its JSON name and its type as the client writes it, such as "List[V1Container]"."""

    name: str
    type: str
    required: bool
    declaration: str

    def description(self) -> str:
        """What the API's documentation says of it."""
        if not self.declaration.startswith("Field("):
            return ""
        call: Any = ast.parse(self.declaration, mode="eval").body
        for argument in call.keywords:
            if argument.arg == "description":
                return str(ast.literal_eval(argument.value))
        return ""


@cache
def _folder() -> Path:
    spec = importlib.util.find_spec("kubernetes")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the kubernetes client is not installed")
    return Path(spec.submodule_search_locations[0]) / "client" / "models"


def _path(model: str) -> Path:
    name = model
    for pattern in _SNAKE:
        name = pattern.sub(r"\1_\2", name)
    return _folder() / f"{name.lower()}.py"


@cache
def exists(model: str) -> bool:
    """Whether the client has such a model."""
    return _path(model).is_file()


def _source(model: str) -> str:
    text = _path(model).read_text(encoding="utf-8")
    start = text.index(f"\nclass {model}(")
    return text[start : text.index("    openapi_types: ClassVar", start)]


def _declarations(model: str) -> str:
    return _source(model).partition('    """ # noqa: E501\n')[2]


@cache
def fields(model: str) -> dict[str, Field]:
    """The fields of a model by JSON name, in the order of the API's documentation."""
    found = {}
    for attribute, annotation, declaration in _FIELD.findall(_declarations(model)):
        alias = _ALIAS.search(declaration)
        name = alias[1] if alias else attribute
        optional = annotation.startswith("Optional[") or annotation == "Any"
        type_ = annotation[len("Optional[") : -1] if annotation.startswith("Optional[") else annotation
        found[name] = Field(name, type_, not optional, declaration)
    return found


def description(model: str) -> str:
    """What the API's documentation says of a model."""
    matched = _DOCUMENTATION.search(_source(model))
    return matched[1].strip() if matched else ""

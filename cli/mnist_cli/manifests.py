"""Manifests from a file, and `--set spec.training.epochs=3`, which changes one on its way to the API."""

from __future__ import annotations

import copy
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

from mnist_cli.running import CommandError
from mnist_trainer.errors import InvalidConfigError

TRAINING_GROUP = "mnist.training"
TRAINING_KIND = "MnistTraining"
_SETTABLE = ("spec", "metadata")


class Document(NamedTuple):
    """One object of a file; `body` is what it says."""

    body: dict[str, Any]

    @property
    def kind(self) -> str:
        """For example `MnistTraining`."""
        return str(self.body["kind"])

    @property
    def api_version(self) -> str:
        """For example `mnist.training/v1alpha1`."""
        return str(self.body["apiVersion"])

    @property
    def name(self) -> str:
        """`metadata.name`, which every document has."""
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """`metadata.namespace`; without it `default`."""
        return str(self.body["metadata"].get("namespace") or "default")

    @property
    def is_training(self) -> bool:
        """Whether it is a MnistTraining."""
        return self.kind == TRAINING_KIND and self.api_version.partition("/")[0] == TRAINING_GROUP

    def spec(self, section: str, field: str) -> Any:
        """`spec.<section>.<field>`, or None where that is not there."""
        spec = self.body.get("spec")
        found = spec.get(section) if isinstance(spec, dict) else None
        return found.get(field) if isinstance(found, dict) else None


def read(path: Path) -> list[Document]:
    """All objects of a YAML file ("-" is stdin). Raises InvalidConfigError with one line."""
    import yaml

    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfigError(f"{path}: {getattr(error, 'strerror', None) or 'not a text file'}") from None
    try:
        bodies = [body for body in yaml.safe_load_all(text) if body is not None]
    except yaml.YAMLError as error:
        raise InvalidConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    documents = [_document(path, number, body) for number, body in enumerate(bodies, 1)]
    if not any(document.is_training for document in documents):
        raise InvalidConfigError(f"{path}: contains no {TRAINING_KIND} ({TRAINING_GROUP}/v1alpha1)")
    keys = [(document.api_version, document.kind, document.namespace, document.name) for document in documents]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise InvalidConfigError(f"{path}: {twice[1]} {twice[3]} stands there twice")
    return documents


def _document(path: Path, number: int, body: Any) -> Document:
    where = f"{path}: document {number}"
    if not isinstance(body, dict):
        raise InvalidConfigError(f"{where} is not an object")
    for field in ("apiVersion", "kind"):
        if not isinstance(body.get(field), str):
            raise InvalidConfigError(f"{where} has no {field}")
    metadata = body.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not metadata["name"]:
        raise InvalidConfigError(f"{where} ({body['kind']}) has no metadata.name")
    return Document(body)


def overridden(body: dict[str, Any], settings: list[str]) -> dict[str, Any]:
    """A copy of a manifest with `PATH=VALUE` applied in order; values are YAML, a dot in a key needs a backslash.

    Raises CommandError for what is no such setting, or goes through something that is no object.
    """
    changed = copy.deepcopy(body)
    for setting in settings:
        path, equals, text = setting.partition("=")
        keys = [key.replace("\\.", ".") for key in re.split(r"(?<!\\)\.", path.strip())]
        if not equals or len(keys) < 2 or keys[0] not in _SETTABLE or not all(keys):
            raise CommandError(f"--set {setting}: it must look like spec.training.epochs=3")
        _put(changed, keys, _value(setting, text), setting)
    return changed


def _value(setting: str, text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise CommandError(f"--set {setting}: the value is not valid YAML; put quotes around a text") from None


def _put(body: dict[str, Any], keys: list[str], value: Any, setting: str) -> None:
    *parents, last = keys
    here = body
    for depth, key in enumerate(parents):
        if here.get(key) is None:
            here[key] = {}
        here = here[key]
        if not isinstance(here, dict):
            raise CommandError(f"--set {setting}: {'.'.join(keys[: depth + 1])} is not an object")
    here[last] = value

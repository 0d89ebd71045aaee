"""Manifests from a file."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnist_trainer.errors import InvalidConfigError

TRAINING_GROUP = "mnist.training"
TRAINING_KIND = "MnistTraining"


@dataclass(frozen=True)
class Document:
    """One object of a file; `body` is what it says."""

    body: dict[str, Any]

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.body["kind"])

    @property
    def api_version(self) -> str:
        """Its group and version."""
        return str(self.body["apiVersion"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Its namespace, by default `default`."""
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

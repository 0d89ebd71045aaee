"""Manifests from a file: the objects that it holds, each with what every object must have."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple

from mnist_client.errors import RefusedError

TRAINING_GROUP = "mnist.training"
TRAINING_KIND = "MnistTraining"


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
    """All objects of a YAML file ("-" is stdin). Raises RefusedError with one line."""
    import yaml

    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError(f"{path}: {getattr(error, 'strerror', None) or 'not a text file'}") from None
    try:
        bodies = [body for body in yaml.safe_load_all(text) if body is not None]
    except yaml.YAMLError as error:
        raise RefusedError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    documents = [_document(path, number, body) for number, body in enumerate(bodies, 1)]
    if not any(document.is_training for document in documents):
        raise RefusedError(f"{path}: contains no {TRAINING_KIND} ({TRAINING_GROUP}/v1alpha1)")
    keys = [(document.api_version, document.kind, document.namespace, document.name) for document in documents]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise RefusedError(f"{path}: {twice[1]} {twice[3]} stands there twice")
    return documents


def read_one(path: Path) -> Document:
    """The one MnistTraining of a file that holds nothing else. Raises RefusedError."""
    documents = read(path)
    if len(documents) > 1:
        raise RefusedError(
            f"{path}: holds {len(documents)} objects, and one MnistTraining is wanted: split the file, or use "
            f"kubectl apply -f {path}"
        )
    return documents[0]


def _document(path: Path, number: int, body: Any) -> Document:
    where = f"{path}: document {number}"
    if not isinstance(body, dict):
        raise RefusedError(f"{where} is not an object")
    for field in ("apiVersion", "kind"):
        if not isinstance(body.get(field), str):
            raise RefusedError(f"{where} has no {field}")
    metadata = body.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not metadata["name"]:
        raise RefusedError(f"{where} ({body['kind']}) has no metadata.name")
    return Document(body)

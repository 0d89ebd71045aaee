"""Options that several commands share, and what they open: models and datasets in a bucket or on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnist_trainer.errors import InvalidConfigError

if TYPE_CHECKING:
    from mnist_trainer.data import Dataset
    from mnist_trainer.store import ObjectStore

_MODEL_BYTES = 4 << 30
_MODEL_HELP = "A released model: its file or folder, s3://bucket/path or on this machine."
Model = Annotated[str, typer.Option(help=_MODEL_HELP)]
Endpoint = Annotated[
    str | None,
    typer.Option("--storage-endpoint", "--endpoint", help="URL of the S3 store; AWS_ENDPOINT_URL otherwise."),
]
Region = Annotated[
    str | None, typer.Option("--storage-region", "--region", help="Region of the S3 store; AWS_REGION otherwise.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _checked(value: str) -> str:
    if value not in ("text", "json"):
        raise typer.BadParameter(f"text or json, not {value!r}")
    return value


Output = Annotated[
    str, typer.Option("--output", "-o", metavar="text|json", callback=_checked, help="How to print the result.")
]


class Locations:
    """Reads ``s3://`` addresses with the environment's credentials, and everything else from the file system."""

    def __init__(self, endpoint: str | None, region: str | None) -> None:
        self._endpoint = endpoint
        self._region = region
        self._store: ObjectStore | None = None

    def model(self, where: str) -> bytes:
        """A model file, or the one in a release's folder."""
        from mnist_trainer.naming import MODEL_FILE
        from mnist_trainer.store import S3Address

        if where.startswith("s3://"):
            address = S3Address.parse(where)
            return self._open().get_bytes(
                address if address.name.endswith((".safetensors", ".onnx")) else address.child(MODEL_FILE), _MODEL_BYTES
            )
        path = Path(where)
        try:
            return (path / MODEL_FILE if path.is_dir() else path).read_bytes()
        except OSError as error:
            raise InvalidConfigError(f"cannot read the model {where}: {error.strerror}") from error

    def dataset(self, where: str) -> Dataset:
        """A checked dataset."""
        from mnist_trainer.data import load_dataset, load_folder
        from mnist_trainer.store import S3Address

        if where.startswith("s3://"):
            return load_dataset(self._open(), S3Address.parse(where))
        return load_folder(Path(where))

    def _open(self) -> ObjectStore:
        from mnist_trainer.store import ObjectStore, StoreSettings

        if self._store is None:
            self._store = ObjectStore(StoreSettings.from_env(None, endpoint=self._endpoint, region=self._region))
        return self._store


def write_file(path: Path, data: bytes) -> None:
    """Write a file that appears only when it is complete."""
    partial = path.with_name(f".{path.name}.part")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        raise InvalidConfigError(f"{path}: {error.strerror or error}") from error

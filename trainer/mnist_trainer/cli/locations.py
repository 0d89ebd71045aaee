"""Things that may lie in a bucket or on this machine."""

from __future__ import annotations

from pathlib import Path

from mnist_trainer.data import Dataset, load_dataset, load_folder
from mnist_trainer.errors import InvalidConfigError
from mnist_trainer.naming import MODEL_FILE
from mnist_trainer.store import ObjectStore, S3Address, StoreSettings

_MODEL_BYTES = 4 << 30


class Locations:
    """Reads ``s3://`` addresses with the environment's credentials, and everything else from the file system."""

    def __init__(self, endpoint: str | None, region: str | None) -> None:
        self._endpoint = endpoint
        self._region = region
        self._store: ObjectStore | None = None

    def model(self, where: str) -> bytes:
        """A model file, or the one in a release's folder."""
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
        if where.startswith("s3://"):
            return load_dataset(self._open(), S3Address.parse(where))
        return load_folder(Path(where))

    def _open(self) -> ObjectStore:
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

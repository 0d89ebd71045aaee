"""What a training left in its bucket: its files, its figures, and its model ready to use."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from mnist_client.errors import NotFinishedError, StorageError
from mnist_client.state import state_of
from mnist_client.storage import told
from mnist_client.threads import in_thread
from mnist_client.training import Training

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

    from mnist_trainer.inference.answers import Answer
    from mnist_trainer.inference.runtime import RuntimeModel
    from mnist_trainer.store import ObjectStore, S3Address

    Picture = str | Path | Image | npt.NDArray[np.uint8]

_MOST_BYTES = 1 << 30


class Result:
    """The sealed output of one training. Every method that reads the bucket blocks, and raises StorageError.

    Args:
        training: one that has succeeded.
        open_store: gives its store.

    Raises:
        NotFinishedError: it has no result.
    """

    def __init__(self, training: Training, open_store: Callable[[], ObjectStore]) -> None:
        self.training = training
        self._addresses: dict[str, str] = {
            str(uri).rpartition("/")[2]: str(uri)
            for key, uri in ((training.object.get("status") or {}).get("result") or {}).items()
            if key in ("model", "report", "metrics", "manifest")
        }
        if not self._addresses:
            raise NotFinishedError(
                f"{training.name} has no result ({state_of(training.object)}); it is made when a training succeeds"
            )
        self._open_store = open_store

    def __repr__(self) -> str:
        return f"<Result of {self.training.name}: accuracy {self.accuracy}, {self.training.run_prefix}>"

    @property
    def accuracy(self) -> float | None:
        """Share of the test images that it recognised, 0 to 1."""
        accuracy: float | None = self.training.object["status"]["result"].get("accuracy")
        return accuracy

    @cached_property
    def _store(self) -> ObjectStore:
        return self._open_store()

    def address(self, name: str) -> S3Address:
        """Return where a file is in the bucket."""
        from mnist_trainer.store import S3Address

        with told():
            if name in self._addresses:
                return S3Address.parse(self._addresses[name])
            return S3Address.parse(str(self.training.run_prefix)).child(name)

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What seals the result: its files with sizes and digests, configuration, dataset and versions."""
        return self._json("MANIFEST.json")

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Everything that was measured: per epoch, per class, and the confusion matrix."""
        return self._json("metrics.json")

    @property
    def files(self) -> list[str]:
        """Names of the files that the manifest seals."""
        return [str(entry["name"]) for entry in self.manifest["files"]]

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""
        with told():
            return self._store.get_bytes(self.address(name), _MOST_BYTES)

    def download(self, name: str, path: str | Path | None = None) -> Path:
        """Write a file to this machine, and check it against the manifest; returns where it is.

        Args:
            name: such as "model.onnx", "model.safetensors", "report.html" or "metrics.json".
            path: a file, or a folder that is there; None for its own name in the working folder.

        Raises:
            StorageError: it is not there, or is not the file that was sealed; then nothing is written.
        """
        target = Path(path) if path is not None else Path(Path(name).name)
        target = target / Path(name).name if target.is_dir() else target
        sealed = next((entry for entry in self.manifest["files"] if entry["name"] == name), None)
        with told():
            info = self._store.get_file(self.address(name), target)
        if sealed is not None and info.sha256 != sealed["sha256"]:
            target.unlink(missing_ok=True)
            raise StorageError(f"{info.address} is not the file that was sealed: its sha256 is {info.sha256}")
        return target

    @overload
    def predict(self, picture: Picture) -> Answer: ...  # type: ignore[overload-overlap]  # str is a sequence, too
    @overload
    def predict(self, picture: Sequence[Picture]) -> list[Answer]: ...
    def predict(self, picture: Picture | Sequence[Picture]) -> Answer | list[Answer]:
        """Say what is on a picture, by ONNX Runtime; the model is fetched once.

        Args:
            picture: a file, a PIL image, or an array uint8 [H, W] or [H, W, C]; or several of those. An array of the
                model's own size is taken as it is, bright ink on black.

        Returns:
            Its `best` guess with `label`, `name` and `confidence` (0 to 1), the `next` best, and a `doubt` in words.

        Raises:
            StorageError: there is no model.onnx, or this is no picture.
        """
        from mnist_trainer.inference.answers import answer_drawing, classify, drawing_of

        several = isinstance(picture, Sequence) and not isinstance(picture, str)
        pictures: list[Any] = list(picture) if several else [picture]  # type: ignore[arg-type]
        model = self._model
        with told():
            drawings = [drawing_of(Path(one) if isinstance(one, str) else one, model.spec) for one in pictures]
            shares = classify(drawings, model)
        names = [str(one) if isinstance(one, (str, Path)) else f"picture {n}" for n, one in enumerate(pictures, 1)]
        answers = [
            answer_drawing(name, drawing, share, model.class_names)
            for name, drawing, share in zip(names, drawings, shares, strict=True)
        ]
        return answers if several else answers[0]

    @cached_property
    def _model(self) -> RuntimeModel:
        from mnist_trainer.inference.runtime import RuntimeModel

        data = self.read("model.onnx")
        sealed = next((entry for entry in self.manifest["files"] if entry["name"] == "model.onnx"), None)
        if sealed is not None and hashlib.sha256(data).hexdigest() != sealed["sha256"]:
            raise StorageError(f"{self.address('model.onnx')} is not the file that was sealed")
        with told():
            return RuntimeModel(data, str(self.address("model.onnx")))

    def _json(self, name: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self.read(name))
        except ValueError:
            raise StorageError(f"{self.address(name)} is not JSON") from None
        return found


class AsyncResult:
    """The same as coroutines: see `Result` for what each method takes, returns and raises."""

    def __init__(self, result: Result) -> None:
        self._result = result
        self.training = result.training
        self.accuracy = result.accuracy
        self.address = result.address

    def __repr__(self) -> str:
        return repr(self._result)

    async def manifest(self) -> dict[str, Any]:
        return await in_thread(lambda: self._result.manifest)

    async def metrics(self) -> dict[str, Any]:
        return await in_thread(lambda: self._result.metrics)

    async def files(self) -> list[str]:
        return await in_thread(lambda: self._result.files)

    async def read(self, name: str) -> bytes:
        return await in_thread(self._result.read, name)

    async def download(self, name: str, path: str | Path | None = None) -> Path:
        return await in_thread(self._result.download, name, path)

    async def predict(self, picture: Picture) -> Answer:
        return await in_thread(self._result.predict, picture)

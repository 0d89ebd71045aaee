"""Released models: what a bucket holds, their figures, and their answers to pictures.

What is sealed does not change, so figures and models that were read are kept, a few of each, for the identity that
could read them; whether it still may is asked each time (its Secret is read anew).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from mnist_client.threads import in_thread
from mnist_kube.objects import Object
from mnist_portal.access import Access
from mnist_portal.storage import StoreError, StorePlace, open_store, secret_of, with_store
from mnist_trainer.errors import TrainerError
from mnist_trainer.store import S3Address

if TYPE_CHECKING:
    from mnist_trainer.inference.runtime import RuntimeModel
    from mnist_trainer.runs.catalogue import Run

_MOST_JSON = 64 << 20
_MOST_MODEL = 64 << 20
_MOST_FILE = 256 << 20
_KEPT_METRICS, _KEPT_MODELS = 64, 4
_MODEL, _METRICS, _MANIFEST = "model.onnx", "metrics.json", "MANIFEST.json"


@dataclass(frozen=True)
class Release:
    """Where a release lies, and how its store is opened."""

    place: StorePlace
    address: str

    @classmethod
    def of(cls, training: Object) -> Release | None:
        """Return a training's release; None where it has none."""
        manifest = str(((training.get("status") or {}).get("result") or {}).get("manifest") or "")
        if not manifest:
            return None
        return cls(StorePlace.of(training), manifest.rpartition("/")[0])

    @property
    def query(self) -> str:
        """As the query of an address."""
        return urlencode({**self.place.query, "address": self.address})

    @property
    def key(self) -> tuple[StorePlace, str]:
        """What tells it from others."""
        return self.place, self.address

    def file(self, name: str) -> S3Address:
        """Return where a file of it is. Raises StoreError."""
        try:
            return S3Address.parse(self.address).child(name)
        except TrainerError as error:
            raise StoreError(error.message) from None


@dataclass(frozen=True)
class Model:
    """A model in memory, and which classes it tells apart."""

    runtime: RuntimeModel
    names: tuple[str, ...]


@dataclass(frozen=True)
class Guess:
    """One class and its probability."""

    name: str
    share: float


@dataclass(frozen=True)
class Seen:
    """What a model says of a picture: all classes, likeliest first, why that may be wrong, and the image as it sees it.

    `image` is a PNG as a data URL; `is_blank` tells that nothing is drawn there.
    """

    guesses: list[Guess]
    doubt: str
    image: str
    height: int
    width: int
    is_blank: bool


async def metrics_of(access: Access, release: Release) -> dict[str, Any]:
    """Return the content of a release's ``metrics.json``. Raises StoreError, or ApiError."""
    return await _json(access, release, _METRICS)


async def files_of(access: Access, release: Release) -> list[dict[str, Any]]:
    """Return the files that a release's manifest names, with size and digest. Raises StoreError, or ApiError."""
    manifest = await _json(access, release, _MANIFEST)
    return [entry for entry in manifest.get("files") or [] if isinstance(entry, dict) and entry.get("name")]


async def read_file(access: Access, release: Release, name: str) -> bytes:
    """Return one of the files that the manifest names. Raises StoreError, LookupError for another name, or ApiError."""
    sealed = next((entry for entry in await files_of(access, release) if entry["name"] == name), None)
    if sealed is None:
        raise LookupError(name)
    address = release.file(name)
    data = await with_store(access, release.place, lambda store: store.get_bytes(address, _MOST_FILE))
    if hashlib.sha256(data).hexdigest() != sealed.get("sha256"):
        raise StoreError(f"{address} is not the file that was sealed: its digest is another")
    return data


async def runs_below(access: Access, place: StorePlace, address: str) -> list[Run]:
    """Return the runs that a bucket holds at or below an address. Raises StoreError, or ApiError."""
    from mnist_trainer.runs.catalogue import list_runs

    try:
        root = S3Address.parse(address)
    except TrainerError as error:
        raise StoreError(error.message) from None
    return await with_store(access, place, lambda store: list_runs(store, root))


async def load_model(access: Access, release: Release) -> Model:
    """Return a release's model, ready to use. Raises StoreError, or ApiError."""
    await secret_of(access, release.place.namespace, release.place.secret)
    kept = access.kept.models
    if release.key not in kept:
        try:
            data = await read_file(access, release, _MODEL)
        except LookupError:
            raise StoreError(f"{release.address} has no {_MODEL}: it cannot be tried here") from None
        if len(data) > _MOST_MODEL:
            raise StoreError(f"{release.address} has a model of more than {_MOST_MODEL >> 20} MiB: too large for here")
        kept[release.key] = await in_thread(_model, data, str(release.file(_MODEL)))
        while len(kept) > _KEPT_MODELS:
            kept.popitem(last=False)
    kept.move_to_end(release.key)
    model: Model = kept[release.key]
    return model


async def look_at(model: Model, picture: bytes, name: str) -> Seen:
    """Return what a model says of a picture file. Raises StoreError for what is no picture."""
    return await in_thread(_look, model, picture, name)


def _model(data: bytes, where: str) -> Model:
    from mnist_trainer.inference.runtime import RuntimeModel

    try:
        runtime = RuntimeModel(data, where)
    except TrainerError as error:
        raise StoreError(error.message) from None
    names = [*runtime.class_names, *map(str, range(len(runtime.class_names), runtime.spec.classes))]
    return Model(runtime, tuple(names))


def _look(model: Model, picture: bytes, name: str) -> Seen:
    import base64
    import io

    from PIL import Image

    from mnist_trainer.data.pictures import open_picture
    from mnist_trainer.inference.answers import answer_drawing, classify, drawing_of

    spec = model.runtime.spec
    try:
        opened = open_picture(picture, name, "RGB" if spec.channels < 4 else "RGBA")
        drawing = drawing_of(opened, spec)
        shares = classify([drawing], model.runtime)[0]
    except TrainerError as error:
        raise StoreError(error.message) from None
    answer = answer_drawing(name, drawing, shares, model.runtime.class_names)
    guesses = [Guess(model.names[number], float(share)) for number, share in enumerate(shares)]
    guesses.sort(key=lambda guess: -guess.share)
    buffer = io.BytesIO()
    Image.fromarray(drawing.image).save(buffer, "PNG")
    image = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    return Seen(guesses, answer.doubt, image, spec.height, spec.width, answer.is_blank)


async def _json(access: Access, release: Release, name: str) -> dict[str, Any]:
    await secret_of(access, release.place.namespace, release.place.secret)
    kept, key = access.kept.metrics, (release.key, name)
    if key not in kept:
        store, address = await open_store(access, release.place), release.file(name)
        try:
            data = await in_thread(store.get_bytes, address, _MOST_JSON)
            content = json.loads(data)
        except TrainerError as error:
            raise StoreError(error.message) from None
        except ValueError:
            raise StoreError(f"{address} is not JSON") from None
        if not isinstance(content, dict):
            raise StoreError(f"{address} is not what a training releases")
        kept[key] = content
        while len(kept) > _KEPT_METRICS:
            kept.popitem(last=False)
    kept.move_to_end(key)
    return kept[key]

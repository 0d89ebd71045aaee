"""Where a dataset can come from when there is none in the store yet: each source fills a folder with the four files.

- MNIST from its public mirrors, over https, each file checked against its published SHA-256;
- a folder of one's own, checked;
- the 1,797 real handwritten digits that scikit-learn ships, as 28x28 IDX files, which need no connection. E. Alpaydin,
  C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository,
  https://doi.org/10.24432/C50P49 (its test part, 8x8 pixels of 17 grey levels).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.data.dataset import load_folder
from mnist_trainer.data.files import CLASSES_FILE, Role, encode_class_names, find_files, is_sideways
from mnist_trainer.data.idx import write_idx
from mnist_trainer.errors import InvalidConfigError, StoreUnreachableError, TrainerError
from mnist_trainer.localdisk import disk_problem
from mnist_trainer.store import RetryPolicy

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
_POLICY = RetryPolicy(connect_timeout=4, read_timeout=20, give_up_after=4)
_SIDE = 28
_DIGIT = 20  # MNIST's digits fill 20x20 pixels in the middle of 28x28
_TEST_EVERY = 5


@dataclass(frozen=True)
class RemoteFile:
    """A file as its authors published it; `size` in bytes."""

    name: str
    size: int
    sha256: str


MNIST = (
    RemoteFile(
        "train-images-idx3-ubyte.gz", 9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    RemoteFile("train-labels-idx1-ubyte.gz", 28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    RemoteFile(
        "t10k-images-idx3-ubyte.gz", 1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
    ),
    RemoteFile("t10k-labels-idx1-ubyte.gz", 4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
)

FileProgress = Callable[[str, int, int], None]
"""Called with (file name, bytes done, bytes in all)."""


def fetch_mnist(
    folder: Path,
    progress: FileProgress | None = None,
    mirrors: Sequence[str] = MIRRORS,
    files: Sequence[RemoteFile] = MNIST,
    policy: RetryPolicy = _POLICY,
) -> list[Path]:
    """Fill `folder` with the four files; those that are there and right are kept.

    A mirror that fails, or sends other bytes, is left for the next one. Raises StoreUnreachableError when none works.
    """
    paths = []
    for file in files:
        path = folder / file.name
        if not _is_there(path, file):
            write_atomically(path, _fetch(file, mirrors, policy, progress))
        elif progress:
            progress(file.name, file.size, file.size)
        paths.append(path)
    return paths


def _is_there(path: Path, file: RemoteFile) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256


def _fetch(file: RemoteFile, mirrors: Sequence[str], policy: RetryPolicy, progress: FileProgress | None) -> bytes:
    from mnist_trainer.store import failures
    from mnist_trainer.store.retry import Attempts, retrying

    problems = []
    for mirror in mirrors:

        def attempt(_: Attempts, mirror: str = mirror) -> bytes:
            return _download(mirror, file, policy, progress)

        try:
            return retrying(attempt, policy, failures.Translator(mirror, "download"))
        except TrainerError as error:
            problems.append(error.message)
    raise StoreUnreachableError(
        f"no mirror gave {file.name}: {'; '.join(problems)}. Without a connection use --source digits or a folder"
    )


def _download(mirror: str, file: RemoteFile, policy: RetryPolicy, progress: FileProgress | None) -> bytes:
    from mnist_trainer.store.connection import make_pool
    from mnist_trainer.store.failures import DamagedTransferError

    url = mirror + file.name
    data = bytearray()
    with make_pool(policy, None, url) as pool:
        response = pool.request("GET", url, preload_content=False)
        if response.status != 200:
            response.close()
            raise StoreUnreachableError(f"{mirror} answered HTTP {response.status}")
        while len(data) <= file.size and (piece := response.read(64 * 1024)):
            data += piece
            if progress:
                progress(file.name, min(len(data), file.size), file.size)
        response.close()
    if len(data) < file.size:
        raise DamagedTransferError(f"{len(data)} of {file.size} bytes came")
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise StoreUnreachableError(f"{mirror} sent other bytes than were published (SHA-256 differs)")
    return bytes(data)


def copy_folder(source: Path, folder: Path) -> list[Path]:
    """Check the dataset in `source` and copy its four files to `folder` under their canonical names.

    EMNIST's images are stood upright, since only EMNIST's names tell that they lie on their side. Raises
    DatasetNotFoundError, DatasetInvalidError, OutOfSpaceError.
    """
    dataset = load_folder(source)
    images = {Role.TRAIN_IMAGES: dataset.train_images, Role.TEST_IMAGES: dataset.test_images}
    paths = []
    for role, path in _files(source).items():
        is_packed = path.suffix == ".gz"
        target = folder / (role.value + (".gz" if is_packed else ""))
        if is_sideways(path.name):
            write_atomically(target, write_idx(images[role], compress=is_packed))
        elif not (target.exists() and target.samefile(path)):
            write_atomically(target, path.read_bytes())
        paths.append(target)
    if dataset.class_names and source.resolve() != folder.resolve():
        # Written anew from what was read, so that what is copied is as good as what was checked.
        write_atomically(folder / CLASSES_FILE, encode_class_names(dict(enumerate(dataset.class_names))))
        paths.append(folder / CLASSES_FILE)
    return paths


def dataset_files(source: Path) -> dict[Role, Path]:
    """The four files of the dataset in a folder, after checking all of it. Raises as :func:`load_folder`."""
    load_folder(source)
    return _files(source)


def _files(source: Path) -> dict[Role, Path]:
    names = find_files([entry.name for entry in source.iterdir() if entry.is_file()], str(source))
    return {role: source / name for role, name in names.items()}


def write_digits(folder: Path) -> list[Path]:
    """Write the four files of :func:`digits_files` into a folder. Raises OutOfSpaceError, or as that function."""
    paths = []
    for name, data in digits_files().items():
        write_atomically(folder / name, data)
        paths.append(folder / name)
    return paths


def digits_files() -> dict[str, bytes]:
    """Names and contents of the four files (gzipped), always the same: 1,437 training and 360 test images.

    The split is stratified: of the images sorted by label, every fifth is for testing. Raises InvalidConfigError
    without scikit-learn.
    """
    images, labels = _load_digits()
    order = np.argsort(labels, kind="stable")
    is_test = np.zeros(len(labels), dtype=bool)
    is_test[order[::_TEST_EVERY]] = True
    arrays = {
        Role.TRAIN_IMAGES: images[~is_test],
        Role.TRAIN_LABELS: labels[~is_test],
        Role.TEST_IMAGES: images[is_test],
        Role.TEST_LABELS: labels[is_test],
    }
    return {f"{role.value}.gz": write_idx(array, compress=True) for role, array in arrays.items()}


def _load_digits() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise InvalidConfigError("the offline digits need scikit-learn: pip install scikit-learn") from None
    digits = load_digits()
    return enlarge(np.asarray(digits.images, dtype=np.int64)), np.asarray(digits.target, dtype=np.uint8)


def enlarge(small: NDArray[np.int64]) -> NDArray[np.uint8]:
    """From [N, 8, 8] in 0..16 to [N, 28, 28] in 0..255: bilinear to 20x20, centred, ink bright as in MNIST.

    In whole numbers throughout, so that every machine makes the same bytes (and the dataset has one digest).
    """
    weights, unit = _bilinear(small.shape[1], _DIGIT)
    scale = 16 * unit * unit
    large = (weights @ small @ weights.T * 255 + scale // 2) // scale
    margin = (_SIDE - _DIGIT) // 2
    return np.pad(large, ((0, 0), (margin, margin), (margin, margin))).astype(np.uint8)


def _bilinear(source: int, target: int) -> tuple[NDArray[np.int64], int]:
    """Interpolation matrix [target, source] with aligned pixel edges, in multiples of 1/unit; and that unit."""
    unit = 2 * target
    position = np.clip((2 * np.arange(target) + 1) * source - target, 0, (source - 1) * unit)
    left = np.minimum(position // unit, source - 2)
    matrix = np.zeros((target, source), dtype=np.int64)
    rows = np.arange(target)
    matrix[rows, left + 1] = position - left * unit
    matrix[rows, left] = unit - matrix[rows, left + 1]
    return matrix, unit


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file that is either there in full or not at all. Raises OutOfSpaceError, InvalidConfigError."""
    partial = path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        raise disk_problem(error, path) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)

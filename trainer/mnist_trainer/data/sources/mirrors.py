"""MNIST from its public mirrors, over https, each file checked against its published SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mnist_trainer.data.sources.folder import write_atomically
from mnist_trainer.errors import StoreUnreachableError, TrainerError
from mnist_trainer.store import RetryPolicy

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
_POLICY = RetryPolicy(connect_timeout=4, read_timeout=20, give_up_after=4)


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

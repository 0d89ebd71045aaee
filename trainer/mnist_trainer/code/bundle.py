"""The files of the user's code as one zip file: packed, checked and unpacked. Its bounds hold before anything is read.

A zip file from a bucket is foreign: names that lead out of the folder, links, and sizes beyond the bounds are refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import lzma
import secrets
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from mnist_trainer.errors import CodeInvalidError
from mnist_trainer.localdisk import disk_problem

MAX_ARCHIVE = 256 << 20
"""Bytes of a zip file."""
MAX_UNPACKED = 1 << 30
"""Bytes of its files together."""
MAX_FILES = 10_000
_SEALED = 0o444
_PIECE = 1 << 20
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    IndexError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
"""What zipfile raises for archives that are damaged, encrypted, or packed by a method that it does not know."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


def pack(folder: Path) -> bytes:
    """The files below `folder` as a zip file; equal for equal files.

    Names that begin with a dot are left out: a mounted ConfigMap keeps its versions there. Raises CodeInvalidError
    beyond the bounds.
    """
    files = {}
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in parts):
            files["/".join(parts)] = path
    return pack_files(files, f"the code in {folder}")


def pack_files(files: Mapping[str, Path], what: str) -> bytes:
    """Files by their names in the archive as a zip file; equal for equal files, whenever they were written.

    `what` names the code in errors. Raises CodeInvalidError beyond the bounds.
    """
    if sum(path.stat().st_size for path in files.values()) > MAX_ARCHIVE or len(files) > MAX_FILES:
        raise CodeInvalidError(f"{what} has more than {_bounds(MAX_ARCHIVE)}")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(files.items(), key=lambda item: item[0].split("/")):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = (stat.S_IFREG | (path.stat().st_mode & 0o777)) << 16
            archive.writestr(info, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def digest(bundle: bytes, what: str = "the code") -> str:
    """SHA-256 of the files' names and contents, however they are packed; `what` names the code in errors.

    Raises CodeInvalidError for what is no zip file, or one that is refused.
    """
    found = hashlib.sha256()
    with _opened(bundle, what) as archive:
        for info in sorted(_files(archive, what), key=lambda each: each.filename):
            found.update(f"{info.filename}\0{info.file_size}\0".encode())
            with _damage_told(what, info), archive.open(info) as source:
                for piece in iter(lambda file=source: file.read(_PIECE), b""):  # type: ignore[misc]
                    found.update(piece)
    return found.hexdigest()


def unpack(bundle: bytes, parent: Path, what: str) -> Path:
    """Unpack into a folder of `parent` that is named after the bundle, and return it; once is enough.

    `what` names the code in errors. Raises CodeInvalidError, OutOfSpaceError.
    """
    folder = parent / f"code-{hashlib.sha256(bundle).hexdigest()[:16]}"
    if folder.is_dir():
        return folder
    partial = parent / f".{folder.name}-{secrets.token_hex(4)}"
    try:
        partial.mkdir(parents=True, mode=0o700)
        with _opened(bundle, what) as archive:
            for info in _files(archive, what):
                _extract(archive, info, partial / info.filename, what)
        try:
            partial.replace(folder)
        except OSError:
            if not folder.is_dir():  # another worker of this machine was here first
                raise
    except OSError as error:
        raise disk_problem(error, folder) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _opened(bundle: bytes, what: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(io.BytesIO(bundle))
    except (*_DAMAGE, OSError) as error:
        raise CodeInvalidError(f"{what} is not a zip file: {error}") from None


@contextlib.contextmanager
def _damage_told(what: str, info: zipfile.ZipInfo) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise CodeInvalidError(f"{what} is damaged or encrypted: {info.filename!r}: {error}") from None


def _files(archive: zipfile.ZipFile, what: str) -> list[zipfile.ZipInfo]:
    """The files of an archive, once all of them are known to be harmless."""
    infos = [info for info in archive.infolist() if not info.filename.endswith("/")]
    if len(infos) > MAX_FILES or sum(info.file_size for info in infos) > MAX_UNPACKED:
        raise CodeInvalidError(f"{what} has more than {_bounds(MAX_UNPACKED)}")
    for info in infos:
        name = PurePosixPath(info.filename)
        if name.is_absolute() or ".." in name.parts or "\\" in info.filename or not name.parts:
            raise CodeInvalidError(f"{what} is refused: {info.filename!r} in it leads out of its folder")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise CodeInvalidError(f"{what} is refused: {info.filename!r} in it is a link")
    return infos


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, what: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # zipfile reads no more than the size that it was told, and checks the sum.
        with _damage_told(what, info), archive.open(info) as source, path.open("wb") as file:
            shutil.copyfileobj(source, file, _PIECE)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise CodeInvalidError(f"{what} is refused: {info.filename!r} is a file and a folder in it") from None
    path.chmod(0o600 | (info.external_attr >> 16 & 0o100))


def _bounds(size: int) -> str:
    return f"{MAX_FILES:,} files or {size >> 20} MiB"

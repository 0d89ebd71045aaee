"""Code of one's own on its way to a training: a script or a folder becomes a zip file in the bucket, by its digest.

Equal files make an equal archive, whenever and wherever they are packed, so nothing is uploaded twice. Left out is what
nobody means: names that begin with a dot (`.git`, `.venv`), `__pycache__`, `node_modules`, and virtual environments.
"""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_client.errors import RefusedError

if TYPE_CHECKING:
    from mnist_trainer.store import ObjectStore

_NEVER = ("__pycache__", "node_modules")
_SHOWN = 3


@dataclass(frozen=True)
class PackedCode:
    """An archive in memory. `script` is the name of the one file that it holds, if a file was packed."""

    data: bytes = field(repr=False)
    sha256: str
    script: str | None = None


def packed(path: Path) -> PackedCode:
    """Pack a script or a folder.

    Raises RefusedError: there is nothing, a link leads out of the folder, or it is beyond the bounds of the trainer.
    """
    from mnist_trainer.code import bundle
    from mnist_trainer.errors import CodeInvalidError

    if path.is_file():
        files = {path.name: path}
    elif path.is_dir():
        files = {found.relative_to(path).as_posix(): found for found in _files(path)}
    else:
        raise RefusedError(f"{path}: there is no such file or folder")
    if not files:
        raise RefusedError(f"{path}: there is no file in this folder but what is always left out (such as .git)")
    _check_size(path, files, bundle.MAX_ARCHIVE, bundle.MAX_FILES)
    try:
        data = bundle.pack_files(files, str(path))
    except (CodeInvalidError, OSError) as error:
        raise RefusedError(f"{path} cannot be packed: {error}") from None
    return PackedCode(data, hashlib.sha256(data).hexdigest(), path.name if path.is_file() else None)


def with_code(body: Mapping[str, Any], code: PackedCode, output: str) -> dict[str, Any]:
    """Return a manifest whose `spec.code.archive` is this code, below the bucket of `output`.

    A script that is not named in `spec.code.command` is run by `python`. Raises RefusedError where the manifest has its
    code elsewhere, or does not tell what of a folder is to be run.
    """
    changed = copy.deepcopy(dict(body))
    section = changed.setdefault("spec", {}).setdefault("code", {})
    name = changed["metadata"]["name"]
    for other in ("configMap", "archive"):
        if section.get(other) is not None:
            raise RefusedError(
                f"{name}: spec.code.{other} says where the code is, and code was given, too: leave one out"
            )
    if not section.get("module") and not section.get("command"):
        if code.script is None:
            raise RefusedError(
                f"{name}: nothing tells what of the folder is to be run: give spec.code.command, such as [python, "
                "train.py], or spec.code.module, such as network:build"
            )
        section["command"] = ["python", code.script]
    section["archive"] = {"url": archive_url(code, output), "sha256": code.sha256}
    return changed


def archive_url(code: PackedCode, output: str) -> str:
    """Return where an archive lies: s3://<bucket of the output>/code/<sha256>.zip."""
    bucket = output.removeprefix("s3://").partition("/")[0]
    return f"s3://{bucket}/code/{code.sha256}.zip"


def upload(store: ObjectStore, code: PackedCode, output: str) -> bool:
    """Put an archive into the bucket unless it is there; returns whether it was put. Blocks. Raises TrainerError."""
    from mnist_trainer.store import S3Address

    address = S3Address.parse(archive_url(code, output))
    if store.exists(address) and store.stat(address).size == len(code.data):
        return False
    store.put_bytes(address, code.data, "application/zip")
    return True


def _files(folder: Path) -> Iterator[Path]:
    root = folder.resolve()
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if _is_meant(Path(parent, name)))
        for path in (Path(parent, name) for name in names):
            if not _is_meant(path):
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise RefusedError(f"{path} is a link that leads out of {folder}: copy the file into it")
            if path.is_file():
                yield path


def _is_meant(path: Path) -> bool:
    return not (path.name.startswith(".") or path.name in _NEVER or (path / "pyvenv.cfg").exists())


def _check_size(path: Path, files: Mapping[str, Path], most_bytes: int, most_files: int) -> None:
    sizes: dict[str, int] = {}
    for name, file in files.items():
        top = name.partition("/")[0]
        sizes[top] = sizes.get(top, 0) + file.stat().st_size
    if sum(sizes.values()) <= most_bytes and len(files) <= most_files:
        return
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:_SHOWN]
    told = ", ".join(f"{name} ({size / 2**20:,.0f} MiB)" for name, size in largest)
    raise RefusedError(
        f"{path} has {len(files):,} files of {sum(sizes.values()) / 2**20:,.0f} MiB, and code may have {most_files:,} "
        f"of {most_bytes >> 20} MiB. The largest are {told}: move data to the bucket"
    )

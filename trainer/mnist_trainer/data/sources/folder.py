"""A folder of one's own as a source, and safe writing into folders."""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

from mnist_trainer.data.classes import CLASSES_FILE, encode_class_names
from mnist_trainer.data.dataset import load_folder
from mnist_trainer.data.files import Role, find_files, is_sideways
from mnist_trainer.data.idx import write_idx
from mnist_trainer.localdisk import disk_problem


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

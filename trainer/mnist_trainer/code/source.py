"""Where the user's code is: a mounted ConfigMap, a zip file in the store, or nowhere but in the image."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mnist_trainer.code import bundle
from mnist_trainer.errors import CodeInvalidError, CodeNotFoundError, ObjectNotFoundError, ObjectTooLargeError
from mnist_trainer.store import ObjectStore, S3Address

MOUNT_VARIABLE = "MNIST_CODE_DIR"
"""Names the folder of a mounted ConfigMap (``contracts/trainer.json``, ``code``)."""


@dataclass(frozen=True)
class Code:
    """The user's files, as a zip file; none where the code is in the image. `where` names it in errors."""

    where: str = "the image"
    packed: bytes | None = field(default=None, repr=False)

    @property
    def digest(self) -> str:
        """Of the files, however they came; empty for code in the image, which nobody can tell."""
        return "" if self.packed is None else bundle.digest(self.packed, self.where)

    def place(self, env: Mapping[str, str]) -> Path | None:
        """Unpack the files below the scratch folder; None where there are none. The folder may be written to."""
        if self.packed is None:
            return None
        return bundle.unpack(self.packed, scratch_folder(env), self.where)


def find_code(store: ObjectStore | None, archive: S3Address | None, sha256: str | None, env: Mapping[str, str]) -> Code:
    """Read the code from the archive, else from the folder that the environment names.

    Raises CodeNotFoundError or CodeInvalidError, and what the store raises.
    """
    if archive is not None:
        assert store is not None
        return Code(str(archive), _archive(store, archive, sha256 or ""))
    folder = env.get(MOUNT_VARIABLE, "")
    if not folder:
        return Code()
    if not Path(folder).is_dir():
        raise CodeNotFoundError(f"{MOUNT_VARIABLE} names {folder}, and there is no such folder")
    return Code("the ConfigMap with the code", bundle.pack(Path(folder)))


def scratch_folder(env: Mapping[str, str]) -> Path:
    """Where files of this machine may lie for a while."""
    given = env.get("MNIST_SCRATCH_DIR", "")
    return Path(given) if given and Path(given).is_dir() else Path(tempfile.gettempdir())


def _archive(store: ObjectStore, address: S3Address, sha256: str) -> bytes:
    try:
        data = store.get_bytes(address, bundle.MAX_ARCHIVE)
    except ObjectNotFoundError:
        raise CodeNotFoundError(f"spec.code.archive: there is no {address}: upload it, or mend the address") from None
    except ObjectTooLargeError:
        raise CodeInvalidError(f"spec.code.archive: {address} has more than {bundle.MAX_ARCHIVE >> 20} MiB") from None
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise CodeInvalidError(
            f"spec.code.archive: {address} has the digest {found}, and not {sha256} as the manifest says: "
            "it was replaced, or the manifest is of another file"
        )
    return data

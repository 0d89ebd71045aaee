"""Where everything of a local stack lies: one folder."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from mnist_local.stack.errors import StackRefusedError

_MARKER = ".mnist-local"
_NOT_KEPT = (
    "apiserver",
    "kuberay",
    "operator",
    "pod-logs",
    "logs",
    "stack.json",
    "kubeconfig",
    "s3.env",
    "status.json",
)


@dataclass(frozen=True)
class Layout:
    """Paths below the stack's folder, which is absolute."""

    root: Path

    @classmethod
    def at(cls, folder: Path) -> Layout:
        """The layout of a folder, made absolute."""
        return cls(Path(os.path.abspath(folder)))  # noqa: PTH100 - resolve() would follow the user's links

    @property
    def lock(self) -> Path:
        """Held by the supervisor as long as it lives."""
        return self.root / ".lock"

    @property
    def state(self) -> Path:
        """What the supervisor tells about itself."""
        return self.root / "stack.json"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, for kubectl."""
        return self.root / "kubeconfig"

    @property
    def s3_env(self) -> Path:
        """The bucket's address and credentials, as shell exports."""
        return self.root / "s3.env"

    @property
    def s3(self) -> Path:
        """The buckets. They survive."""
        return self.root / "s3"

    @property
    def status(self) -> Path:
        """The final object of a finished local run."""
        return self.root / "status.json"

    @property
    def apiserver(self) -> Path:
        """The API server's own files."""
        return self.root / "apiserver"

    @property
    def kuberay(self) -> Path:
        """The pods' folders."""
        return self.root / "kuberay"

    @property
    def operator(self) -> Path:
        """The operator's kubeconfig."""
        return self.root / "operator"

    @property
    def pod_logs(self) -> Path:
        """The containers' logs, as under /var/log/pods."""
        return self.root / "pod-logs"

    def log(self, part: str) -> Path:
        """The log of a part."""
        return self.root / "logs" / f"{part}.log"

    def claim(self) -> None:
        """Make the folder ours. Raises StackRefusedError where it holds what somebody else put there."""
        marker = self.root / _MARKER
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            if not marker.exists():
                foreign = [name for name in (*_NOT_KEPT, "s3") if (self.root / name).exists()]
                if foreign:
                    raise StackRefusedError(
                        f"{self.root} holds {foreign[0]!r} and is not a folder of `mnistctl local`: choose another "
                        "--dir"
                    )
                marker.write_text(
                    "This folder belongs to `mnistctl local`. Everything but s3/ is made anew at each start.\n"
                )
                (self.root / ".gitignore").write_text("*\n")
        except OSError as error:
            raise StackRefusedError(f"{self.root} cannot be used: {error.strerror}; choose another --dir") from error

    def clear(self) -> None:
        """Remove what a former start left, but not the buckets, and make the folders."""
        for name in _NOT_KEPT:
            path = self.root / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        for path in (self.s3, self.kuberay, self.operator, self.pod_logs, self.root / "logs"):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

"""A local stack's one folder, what a user may choose about a stack, and what can go wrong with one."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

_MARKER = ".mnist-local"
_NOT_KEPT = (
    "apiserver", "kuberay", "operator", "pod-logs", "logs", "stack.json", "kubeconfig", "s3.env", "status.json",
    "portal.address",
)  # fmt: skip


class StackError(Exception):
    """One sentence for the user. `tail` has the last lines of the log that tells more, `log` is where it lies."""

    def __init__(self, message: str, tail: tuple[str, ...] = (), log: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.tail = tail
        self.log = log


class StackRefusedError(StackError):
    """The stack cannot start as it was asked to: the user has to change something."""


@dataclass(frozen=True)
class Options:
    """Ports are 0 for any free one. `portal` starts the portal, too.

    `restart` starts parts again that crashed; without it a crash ends the stack.
    """

    api_port: int = 0
    s3_port: int = 0
    restart: bool = False
    portal: bool = False
    namespaces: tuple[str, ...] = ("default",)


class Layout:
    """Paths below the stack's folder, which is absolute.

    lock: held by the stack as long as it lives. state: what it tells about itself. kubeconfig: the
    administrator's. s3_env: the buckets' address and credentials, as shell exports. s3: the buckets; they survive.
    portal_address: the address that opens the portal next; each works once.
    status: the final object of a finished local run. apiserver, kuberay, operator: files of these parts. pod_logs: as
    /var/log/pods.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock, self.state = root / ".lock", root / "stack.json"
        self.kubeconfig, self.s3_env, self.status = root / "kubeconfig", root / "s3.env", root / "status.json"
        self.s3, self.apiserver, self.kuberay, self.operator = (
            root / name for name in ("s3", "apiserver", "kuberay", "operator")
        )
        self.pod_logs = root / "pod-logs"
        self.portal_address = root / "portal.address"

    @classmethod
    def at(cls, folder: Path) -> Layout:
        """Return the layout of a folder, made absolute."""
        return cls(Path(os.path.abspath(folder)))  # noqa: PTH100 - resolve() would follow the user's links

    def log(self, part: str) -> Path:
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

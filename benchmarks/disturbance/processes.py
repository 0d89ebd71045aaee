"""The processes of a local stack and of its pods, from the process table: the API may be the one that is down."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from mnist_local.kuberay.kubelet.launch import POD_UID_VARIABLE, WORK_DIR_VARIABLE

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process that is neither gone nor a zombie."""

    pid: int
    command: tuple[str, ...]
    env: dict[str, str]

    @property
    def pod(self) -> str:
        """Name of its pod, or nothing."""
        return self.env.get("HOSTNAME", "") if self.pod_uid else ""

    @property
    def pod_uid(self) -> str:
        """Uid of its pod, or nothing."""
        return self.env.get(POD_UID_VARIABLE, "")


def living() -> Iterator[Process]:
    """Yield all processes of this user but this one."""
    for entry in os.scandir(_PROC):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        folder = _PROC / entry.name
        try:
            command = (folder / "cmdline").read_bytes()
            block = (folder / "environ").read_bytes()
        except OSError:
            continue
        if command:
            pairs = (item.partition("=") for item in block.decode(errors="replace").split("\0"))
            words = tuple(command.decode(errors="replace").rstrip("\0").split("\0"))
            yield Process(int(entry.name), words, {name: value for name, _, value in pairs})


def of_pods(work_dir: Path) -> list[Process]:
    """Return the processes of all pods of a local KubeRay."""
    return [p for p in living() if p.pod_uid and p.env.get(WORK_DIR_VARIABLE) == str(work_dir)]


def of_folder(root: Path) -> list[Process]:
    """Return the processes that have a folder in their command line or environment."""
    mark = str(root)
    return [p for p in living() if any(mark in text for text in (*p.command, *p.env.values()))]


@dataclass(frozen=True)
class Trainer:
    """A trainer's process: of which training, and of which attempt."""

    pid: int
    uid: str
    attempt: int


def trainer_of(process: Process) -> Trainer | None:
    """Return which training a process is the trainer of; None for any other process, the shell that starts it too."""
    words = process.command
    if len(words) < 3 or "train" not in words or "python" not in Path(words[0]).name:
        return None
    if not words[1].endswith("mnist-trainer") and words[1:3] != ("-m", "mnist_trainer"):
        return None
    flags = dict(pairwise(words))
    attempt = flags.get("--attempt", "")
    return Trainer(process.pid, flags.get("--training-uid", ""), int(attempt) if attempt.isdigit() else 0)

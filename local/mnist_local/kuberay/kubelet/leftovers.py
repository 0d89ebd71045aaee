"""Processes of pods whose shim is gone: found by a mark in their environment, and ended."""

import contextlib
import logging
import os
from pathlib import Path

from mnist_local.kuberay.kubelet.launch import WORK_DIR_VARIABLE
from mnist_local.pod import process_tree
from mnist_local.pod.shim import CONTAINER_VARIABLE

log = logging.getLogger(__name__)


def end_former(work_dir: Path) -> int:
    """Kill every process that a former local KubeRay in this working folder left. Returns how many there were."""
    found = process_tree.marked(WORK_DIR_VARIABLE, str(work_dir))
    process_tree.kill(found)
    if found:
        log.warning("ended %d processes that a former local KubeRay had left", len(found))
    return len(found)


class Orphans:
    """Our descendants whose shim was killed from outside: they come to us, and are ended here."""

    def __init__(self) -> None:
        self._ended: set[int] = set()

    def end(self, shims: set[int]) -> int:
        """Kill the containers' processes that are under none of the living shims; returns how many."""
        for pid in list(self._ended):
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG)[0] == 0:
                    continue
            self._ended.discard(pid)
        below = set(process_tree.descendants(os.getpid()))
        for shim in shims:
            below -= {shim, *process_tree.descendants(shim)}
        # A shim that is just being started is not in the set, but it bears no container's mark either.
        found = [pid for pid in sorted(below) if process_tree.environment_value(pid, CONTAINER_VARIABLE)]
        process_tree.kill(found)
        self._ended |= set(found)
        return len(found)

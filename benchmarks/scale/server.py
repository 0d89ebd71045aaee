"""CPU time of the API server's processes, where they run on this machine and may be looked at."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

_NAMES = ("kube-apiserver", "etcd")
_EMBEDDED = "mnist_local.apiserver"


@dataclass(frozen=True)
class ServerCpu:
    """The processes by name: the API server first, then its etcd, if there is one."""

    processes: dict[str, list[psutil.Process]]

    @classmethod
    def find(cls, pid: int | None = None) -> ServerCpu | None:
        """Return the API server of `pid`, or the kube-apiserver of this machine, with its etcd; None where neither is.

        Raises:
            psutil.NoSuchProcess: there is no process of that id.
        """
        found: dict[str, list[psutil.Process]] = {}
        if pid is not None:
            process = psutil.Process(pid)
            found["embedded API server" if _EMBEDDED in process.cmdline() else process.name()] = [process]
        for process in psutil.process_iter(["name"]):
            name = process.info["name"]
            if name in _NAMES and (pid is None or name == "etcd"):
                found.setdefault(name, []).append(process)
        if pid is None and _NAMES[0] not in found:
            return None
        return cls({name: found[name] for name in sorted(found, key=lambda name: name == "etcd")})

    def seconds(self) -> dict[str, float]:
        """Return the CPU seconds that each has used so far."""
        return {name: sum(_used(process) for process in members) for name, members in self.processes.items()}


def _used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)

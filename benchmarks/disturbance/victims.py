"""Strikes: finds the processes that a fault means, and sends them signals."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.disturbance import processes
from benchmarks.disturbance.plan import Action, Fault, Target
from mnist_local.stack.layout import Layout
from mnist_local.stack.state import StackState

_PARTS = {Target.OPERATOR, Target.API_SERVER, Target.STORE, Target.KUBERAY}
_LOOK_S = 0.3


@dataclass(frozen=True)
class Victim:
    """Processes that are struck together; `pids` looks anew, since a stalled pod may have lost some meanwhile."""

    name: str
    pids: Callable[[], list[int]]


class Striker:
    """Strikes what belongs to one local stack."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    async def strike(self, fault: Fault, patience: float) -> str | None:
        """Let a fault happen, to its end; returns who was struck, or None if nobody was there for so many seconds."""
        for _ in range(max(1, int(patience / _LOOK_S))):
            if found := await asyncio.to_thread(self._candidates, fault.kind.target):
                victim = fault.choose(found)
                await self._hit(fault, victim)
                return victim.name
            await asyncio.sleep(_LOOK_S)
        return None

    async def _hit(self, fault: Fault, victim: Victim) -> None:
        if fault.kind.action is Action.KILL:
            _send(victim.pids(), signal.SIGKILL)
            return
        stalled = victim.pids()
        _send(stalled, signal.SIGSTOP)
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            _send(stalled, signal.SIGCONT)

    def _candidates(self, target: Target) -> list[Victim]:
        if target in _PARTS:
            return self._part(target)
        found: dict[str, list[processes.Process]] = {}
        for process in processes.of_pods(self._layout.kuberay):
            found.setdefault(process.pod, []).append(process)
        if target is Target.WORKER_PROCESS:
            return [
                _of(f"{pod} ({process.pid})", [process])
                for pod, members in sorted(found.items()) for process in members
                if "TrainWorker" in process.command[0]
            ]  # fmt: skip
        mark = "-head-" if target is Target.HEAD else "-worker-"
        # A pod without a raylet is only starting, and one that is started again and again proves nothing.
        return [_of(pod, members) for pod, members in sorted(found.items()) if mark in pod and _has_raylet(members)]

    def _part(self, target: Target) -> list[Victim]:
        state = StackState.read(self._layout.state)
        parts = state.parts if state else []
        return [
            Victim(part.name, lambda pid=part.pid: [pid])  # type: ignore[misc]
            for part in parts if part.name == target and part.pid and part.state == "running"
        ]  # fmt: skip


def _of(name: str, members: list[processes.Process]) -> Victim:
    return Victim(name, lambda: [process.pid for process in members])


def _has_raylet(members: list[processes.Process]) -> bool:
    return any(process.command[0].endswith("/raylet") for process in members)


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

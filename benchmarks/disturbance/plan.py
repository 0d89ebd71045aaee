"""What happens when, and to whom: pure, and the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")


class Target(StrEnum):
    """What is struck."""

    OPERATOR = "operator"
    API_SERVER = "API server"
    STORE = "object store"
    KUBERAY = "KubeRay"
    HEAD = "head pod"
    WORKER = "worker pod"
    WORKER_PROCESS = "worker process"


class Action(StrEnum):
    """KILL is SIGKILL to all processes of the target; STALL is SIGSTOP, and SIGCONT some seconds later."""

    KILL = "kill"
    STALL = "stall"


@dataclass(frozen=True)
class Kind:
    """A kind of fault; a stall takes between `least` and `most` seconds."""

    target: Target
    action: Action
    least: float = 0.0
    most: float = 0.0

    def __str__(self) -> str:
        return f"{self.action} {self.target}"


# KubeRay itself is only stalled: here it also stands in for the kubelet, and takes its pods with it when it is killed.
KINDS = (
    Kind(Target.OPERATOR, Action.KILL),
    Kind(Target.OPERATOR, Action.STALL, 3, 12),
    Kind(Target.API_SERVER, Action.KILL),
    Kind(Target.API_SERVER, Action.STALL, 2, 8),
    Kind(Target.STORE, Action.KILL),
    Kind(Target.STORE, Action.STALL, 3, 12),
    Kind(Target.KUBERAY, Action.STALL, 2, 8),
    Kind(Target.HEAD, Action.KILL),
    Kind(Target.HEAD, Action.STALL, 2, 6),
    Kind(Target.WORKER, Action.KILL),
    Kind(Target.WORKER, Action.STALL, 2, 6),
    Kind(Target.WORKER_PROCESS, Action.KILL),
)


@dataclass(frozen=True)
class Fault:
    """One fault, `at` seconds after the start. `pick`, from 0 up to 1, chooses among those that could be struck."""

    number: int
    at: float
    kind: Kind
    seconds: float
    pick: float

    def choose(self, candidates: Sequence[T]) -> T:
        """Return the one of the candidates, of which there must be some, that is struck."""
        return candidates[int(self.pick * len(candidates))]


def plan(seed: int, seconds: float, every: float = 8.0, kinds: Sequence[Kind] = KINDS) -> tuple[Fault, ...]:
    """Return the faults of a run of `seconds`, on average one `every` so many seconds.

    Kinds are dealt like cards: none comes up again before all others have, so that a short run has them all.
    """
    chance = random.Random(seed)
    faults: list[Fault] = []
    deck: list[Kind] = []
    at = every * chance.uniform(0.5, 1.5)
    while at < seconds:
        if not deck:
            deck = list(kinds)
            chance.shuffle(deck)
        kind = deck.pop()
        faults.append(Fault(len(faults) + 1, at, kind, chance.uniform(kind.least, kind.most), chance.random()))
        at += every * chance.uniform(0.5, 1.5)
    return tuple(faults)

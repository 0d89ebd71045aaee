"""What a transition comes to: the next status, what to do in the cluster, and when to look again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mnist_operator.api.status import MnistTrainingStatus


@dataclass(frozen=True)
class EnsureSupport:
    """Secret, ServiceAccounts, Role and RoleBinding are as they should be."""

    afresh: bool = False
    """Look at each of them anew, whatever is remembered: something is wrong, and one of them may be why."""


@dataclass(frozen=True)
class CreateCluster:
    """POST the RayCluster `name`."""

    name: str


@dataclass(frozen=True)
class ScaleCluster:
    """Bring the worker groups of the RayCluster `name` to the desired size."""

    name: str


@dataclass(frozen=True)
class RestoreCluster:
    """Put back what somebody else changed in the spec of the RayCluster `name`."""

    name: str


@dataclass(frozen=True)
class RestoreJob:
    """Put back what somebody else changed in the spec of the RayJob of `attempt` on the RayCluster `cluster`."""

    attempt: int
    cluster: str


@dataclass(frozen=True)
class FindAddress:
    """Ask for the address that a load balancer gave to the head's Service."""

    service: str


@dataclass(frozen=True)
class CreateJob:
    """POST the RayJob of `attempt` on the RayCluster `cluster`."""

    attempt: int
    cluster: str


@dataclass(frozen=True)
class Delete:
    """DELETE one child, by name and uid, so that no successor of the same name is hit."""

    kind: Literal["RayCluster", "RayJob"]
    name: str
    uid: str


@dataclass(frozen=True)
class DeleteTraining:
    """DELETE the training itself: its time to live is over."""


@dataclass(frozen=True)
class Explain:
    """Read the events of a child, or of a pod of its, that does not come up, for the status message."""

    kind: Literal["RayCluster", "RayJob", "Pod"]
    name: str


Action = (
    EnsureSupport
    | CreateCluster
    | ScaleCluster
    | RestoreCluster
    | RestoreJob
    | FindAddress
    | CreateJob
    | Delete
    | DeleteTraining
    | Explain
)


@dataclass(frozen=True)
class Event:
    """An event to be shown on the training."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True)
class Decision:
    """The outcome of one look at a training."""

    status: MnistTrainingStatus
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    look_again: float | None = None
    """Seconds after which time alone may change the outcome."""
    verify: bool = False
    """Decided from silence: to be decided again from the API's own answer before anything is done."""
    transition: str = ""
    """The row of the table that decided; `decide` fills it in."""

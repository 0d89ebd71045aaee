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
    """Bring the worker groups of the RayCluster `name` to the wished-for size."""

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
    """Read the events of a child that does not come up, for the status message."""

    kind: Literal["RayCluster", "RayJob"]
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

    transition: str
    status: MnistTrainingStatus
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    look_again: float | None = None
    """Seconds after which time alone may change the outcome."""
    verify: bool = False
    """Decided from silence: to be decided again from the API's own answer before anything is done."""


@dataclass(frozen=True)
class Policy:
    """Durations of the lifecycle, in seconds."""

    explain_after: float = 60.0
    """A child without progress for this long gets its events read."""
    explain_again: float = 30.0
    report_grace: float = 30.0
    """How long a finished job may wait for the trainer's last report to arrive."""
    retry_base: float = 10.0
    retry_cap: float = 360.0
    missing_secret_poll: float = 5.0
    credentials_refresh: float = 120.0
    """How often the user's Secret is read again while a training runs."""
    silent_after: float = 300.0
    """A trainer without a report for this long is called silent; after as long again it counts as lost."""
    closing_grace: float = 60.0
    """How long the job of a sealed model may take to end by itself before it is stopped."""
    restarting_rounds: float = 2.0
    """Losses of all workers, without an epoch finished in between, after which they are said to restart."""
    failing_rounds: float = 6.0
    """As many after which the attempt fails."""
    address_poll: float = 10.0
    """How often a head's Service is asked for the address of its load balancer."""


DEFAULT_POLICY = Policy()
__all__ = [
    "DEFAULT_POLICY",
    "Action",
    "CreateCluster",
    "CreateJob",
    "Decision",
    "Delete",
    "DeleteTraining",
    "EnsureSupport",
    "Event",
    "Explain",
    "FindAddress",
    "Policy",
    "RestoreCluster",
    "RestoreJob",
    "ScaleCluster",
]

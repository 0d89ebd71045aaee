"""One look at a training: all that a decision is made from, and the durations that it goes by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from mnist_operator.api.status import (
    MnistTrainingStatus,
)
from mnist_operator.children.cluster import ClusterView
from mnist_operator.children.job import JobView
from mnist_operator.children.training import Training


@dataclass(frozen=True)
class Obstacle:
    """Something in the cluster that kept an action from being done."""

    reason: str
    message: str


@dataclass(frozen=True)
class Policy:
    """Durations of the lifecycle, in seconds."""

    explain_after: float = 60.0
    """A child without progress for this long gets its events read."""
    explain_again: float = 30.0
    explain_pod_after: float = 10.0
    """As above for a head pod that a ConfigMap is mounted into: it may not be there yet."""
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


@dataclass(frozen=True)
class Observed:
    """One look at a training and at everything that belongs to it."""

    training: Training
    status: MnistTrainingStatus
    now: datetime
    deleting: bool = False
    credentials: Obstacle | None = None
    """What is wrong with the Secret that the user named; None when it is all right."""
    spec_problems: tuple[str, ...] = ()
    clusters: tuple[ClusterView, ...] = ()
    jobs: tuple[JobView, ...] = ()
    obstacle: Obstacle | None = None
    explanation: str | None = None
    """What a child's events say about why it does not come up."""
    pod_explanation: str | None = None
    """What the head pod's events say about that."""
    credentials_version: str = ""
    """Version of the Secret that the user named."""
    ray_version: str = ""
    """Version of Ray that the training's pods have; empty: the one in its spec."""
    desired_cluster: Callable[[], str] = lambda: ""
    """Hash of the cluster that the spec asks for now; worked out only where it is needed."""
    balancer: str | None = None
    """Address that a load balancer gave to the head's Service."""
    node_address: str = "<node>"
    """What stands for a node in the address of a node port."""
    policy: Policy = DEFAULT_POLICY

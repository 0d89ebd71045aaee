"""What is remembered of each training between two looks: what was read for it, made for it, and found out about it.

It only saves requests. Decisions are made from the API's objects alone, so what is forgotten is asked for again and the
same is decided. There is one Memory for each training. The resync has it forget what others may have changed, and drops
it when its training is gone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mnist_operator.lifecycle.observed import Obstacle


@dataclass(frozen=True)
class SourceSecret:
    """The Secret that a training names, as it was read: its data (base64 values), or what is wrong with it."""

    data: dict[str, str] | None
    problem: Obstacle | None
    read_at: float
    version: str = ""
    """Changes with the Secret's content; tells nothing of it."""

    def __repr__(self) -> str:
        return f"SourceSecret(problem={self.problem!r})"


@dataclass(frozen=True)
class Finding:
    """What was found when something was asked for, and when that was, by a monotonic clock."""

    text: str | None
    at: float


@dataclass
class Memory:
    """What is remembered of one training."""

    checked: tuple[tuple[int, dict[str, str]], tuple[str, ...]] | None = None
    """Generation and labels that were checked last, and what is wrong with the spec."""
    secret: SourceSecret | None = None
    refusal: str = ""
    """The report of credentials that the store refused, for which the Secret was last read anew."""
    supported: tuple[object, ...] | None = None
    """What the support objects were made of when they were last compared."""
    ensured: dict[tuple[str, str], str | None] = field(default_factory=dict)
    """Hash of each support object that is known to be as desired, by kind and name; None: there, to be compared."""
    made: dict[str, str] = field(default_factory=dict)
    """Digest of the spec of each RayCluster and RayJob as it was made, by uid."""
    put_back_at: dict[str, float] = field(default_factory=dict)
    """When the spec of each of them was last put back, by uid."""
    explanations: dict[str, Finding] = field(default_factory=dict)
    """What events say about a child that does not come up, by its name."""
    addresses: dict[str, Finding] = field(default_factory=dict)
    """Addresses that load balancers gave to the Services of heads, by the Service's name."""

    def forget(self) -> None:
        """Have everything that others may change without our seeing it read and compared anew."""
        self.secret, self.refusal = None, ""
        self.forget_support()

    def forget_support(self) -> None:
        """Have the support objects compared anew; those that were there are asked for before they are made."""
        self.supported = None
        self.ensured = dict.fromkeys(self.ensured)


class Memories:
    """The memory of each training, by the training's uid."""

    def __init__(self) -> None:
        self._of: dict[str, Memory] = {}

    def of(self, uid: str) -> Memory:
        """Return a training's memory; a new training's is empty."""
        return self._of.setdefault(uid, Memory())

    def retain(self, uids: set[str]) -> None:
        """Drop the memories of trainings that are gone."""
        for uid in self._of.keys() - uids:
            del self._of[uid]

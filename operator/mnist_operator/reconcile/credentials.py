"""Read the Secrets that trainings name: one at a time, by `get`, never by list or watch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.resources import SECRETS
from mnist_operator.builders.context import Training
from mnist_operator.builders.storage import REQUIRED_KEYS, credential_problems
from mnist_operator.lifecycle.facts import Obstacle


@dataclass(frozen=True)
class SourceSecret:
    """What was found: data (base64 values), or what is wrong."""

    data: dict[str, str] | None
    problem: Obstacle | None
    read_at: float
    version: str = ""
    """Changes with the Secret's content; tells nothing of it."""

    def __repr__(self) -> str:
        return f"SourceSecret(problem={self.problem!r})"


class SourceSecrets:
    """Source Secrets by training, read again once they are older than `fresh_for` seconds.

    Trainings that begin within `shared_for` seconds of each other and name the same Secret share what was read of it.
    """

    def __init__(
        self,
        api: KubeApi,
        fresh_for: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
        shared_for: float = 1.0,
    ) -> None:
        self._api = api
        self._fresh_for = fresh_for
        self._clock = clock
        self._shared_for = shared_for
        self._shared: dict[tuple[str, str], SourceSecret] = {}
        self._found: dict[str, SourceSecret] = {}
        self._doubts: dict[str, str] = {}

    async def read(self, training: Training, *, doubt: str = "") -> SourceSecret:
        """Return the Secret that `training` names, from memory while it is fresh and all right.

        Args:
            training: the training.
            doubt: a report that the store refused these credentials; for each such report they are read anew once.

        Raises:
            ApiError: when the API server cannot be asked.
        """
        doubted = bool(doubt) and self._doubts.get(training.uid) != doubt
        if not doubted and (known := self._fresh(self._found.get(training.uid), self._fresh_for)):
            return known
        key = (training.namespace, training.spec.storage.credentials_secret)
        found = None if doubted else self._fresh(self._shared.get(key), self._shared_for)
        if found is None:
            found = self._shared[key] = await self._read(training)
        if doubt:
            self._doubts[training.uid] = doubt
        self._found[training.uid] = found
        return found

    def forget(self, uid: str) -> None:
        """Drop what is known for a training."""
        self._found.pop(uid, None)
        self._doubts.pop(uid, None)

    def retain(self, uids: set[str]) -> None:
        """Drop what is known for trainings that are gone."""
        for uid in self._found.keys() - uids:
            del self._found[uid]
        self._shared.clear()

    def _fresh(self, found: SourceSecret | None, seconds: float) -> SourceSecret | None:
        """Return what was found if it was all right and is not older than that."""
        good = found is not None and found.problem is None and self._clock() - found.read_at < seconds
        return found if good else None

    async def _read(self, training: Training) -> SourceSecret:
        name = training.spec.storage.credentials_secret
        try:
            secret = await self._api.get(SECRETS.path(training.namespace, name))
        except ApiError as error:
            if error.not_found:
                keys = " and ".join(REQUIRED_KEYS)
                problem = Obstacle(
                    "SecretNotFound",
                    f"Secret {training.namespace}/{name}, named in spec.storage.credentialsSecret, does not exist; "
                    f"create it with the keys {keys}",
                )
                return SourceSecret(None, problem, self._clock())
            if error.status == 403:
                problem = Obstacle("Forbidden", f"The operator may not read Secret {training.namespace}/{name}")
                return SourceSecret(None, problem, self._clock())
            raise
        data = secret.get("data") or {}
        if problems := credential_problems(data):
            problem = Obstacle("SecretInvalid", f"Secret {training.namespace}/{name}: {', '.join(problems)}")
            return SourceSecret(None, problem, self._clock())
        metadata = secret["metadata"]
        version = f"{metadata.get('uid', '')}/{metadata.get('resourceVersion', '')}"
        return SourceSecret(data, None, self._clock(), version)

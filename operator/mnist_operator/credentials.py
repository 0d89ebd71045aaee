"""Read the Secrets that trainings name: one at a time, by `get`, never by list or watch."""

from __future__ import annotations

import time
from collections.abc import Callable

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.resources import SECRETS
from mnist_operator.children.support import REQUIRED_KEYS, credential_problems
from mnist_operator.children.training import Training
from mnist_operator.lifecycle.observed import Obstacle
from mnist_operator.memory import Memories, SourceSecret


class SourceSecrets:
    """Reads source Secrets, and again once they are older than `fresh_for` seconds.

    Trainings that begin within `shared_for` seconds of each other and name the same Secret share what was read of it.
    """

    def __init__(
        self,
        api: KubeApi,
        memories: Memories,
        fresh_for: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
        shared_for: float = 1.0,
    ) -> None:
        self._api = api
        self._memories = memories
        self._fresh_for = fresh_for
        self._clock = clock
        self._shared_for = shared_for
        self._shared: dict[tuple[str, str], SourceSecret] = {}

    async def read(self, training: Training, *, refusal: str = "") -> SourceSecret:
        """Return the Secret that `training` names, from memory while it is fresh and all right.

        Args:
            training: the training.
            refusal: names a report that the store refused these credentials; they are read anew once for each.

        Raises:
            ApiError: when the API server cannot be asked.
        """
        memory = self._memories.of(training.uid)
        refused = bool(refusal) and memory.refusal != refusal
        if not refused and (known := self._fresh(memory.secret, self._fresh_for)):
            return known
        key = (training.namespace, training.spec.storage.credentials_secret)
        found = None if refused else self._fresh(self._shared.get(key), self._shared_for)
        if found is None:
            found = await self._read(training)
            self._shared = {**self._still_shared(), key: found}
        memory.refusal = refusal or memory.refusal
        memory.secret = found
        return found

    def _still_shared(self) -> dict[tuple[str, str], SourceSecret]:
        return {key: found for key, found in self._shared.items() if self._fresh(found, self._shared_for)}

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

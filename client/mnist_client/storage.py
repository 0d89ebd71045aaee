"""The bucket of a training as it is seen from here: which endpoint, and with whose credentials.

The environment's credentials are taken first (AWS_ACCESS_KEY_ID and so on). Without such, or where the store refuses
them, those of the training's own Secret are read from the API, if we may.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mnist_client.errors import StorageError

if TYPE_CHECKING:
    from mnist_trainer.store import ObjectStore, StoreSettings

ReadSecret = Callable[[str, str], Mapping[str, str] | None]
"""Given namespace and name, returns a Secret's values; None where it is not there, or not for us. It blocks."""


class Storage:
    """The way to one training's bucket. Its methods block.

    Args:
        namespace: of the training.
        name: of the training.
        spec: `spec.storage`, as far as it is filled in.
        secret: reads a Secret.
        endpoint: where the store is seen from here; None for $AWS_ENDPOINT_URL, else what spec or Secret say.
        env: the environment.
    """

    def __init__(
        self,
        namespace: str,
        name: str,
        spec: Mapping[str, Any],
        secret: ReadSecret,
        endpoint: str | None = None,
        env: Mapping[str, str] = os.environ,
    ) -> None:
        self._namespace, self._name, self._spec = namespace, name, spec
        self._secret = secret
        self._named = endpoint or env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL")
        self._env = env

    def open(self) -> ObjectStore:
        """Return the store; nothing is asked of it yet. Raises StorageError where there are no credentials."""
        from mnist_trainer.store import ObjectStore, StoreSettings

        with told():
            if self._env.get("AWS_ACCESS_KEY_ID"):
                own = StoreSettings.from_env(self._env, self._named or self._spec.get("endpoint"))
                return ObjectStore(own, renew=lambda refused: self._of_secret() if refused == own else None)
            settings = self._of_secret()
            if settings is None:
                raise StorageError(
                    "no storage credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (you may not read Secret "
                    f"{self._namespace}/{self._name}-storage, or it is gone)"
                )
            return ObjectStore(settings)

    def _of_secret(self) -> StoreSettings | None:
        """Of the operator's copy, or before there is one of the user's own Secret."""
        from mnist_trainer.store import StoreSettings

        for name in (f"{self._name}-storage", self._spec.get("credentialsSecret") or "minio-credentials"):
            values = self._secret(self._namespace, name)
            if values is not None:
                values = {**values, **({"MNIST_STORAGE_CA_PEM": ca} if (ca := values.get("ca.crt")) else {})}
                region = self._spec.get("region")
                return StoreSettings.from_env(values, self._named or self._spec.get("endpoint"), region)
        return None


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Raise what the store says as a StorageError."""
    from mnist_trainer.errors import TrainerError

    try:
        yield
    except TrainerError as error:
        raise StorageError(error.message, may_pass=error.retryable) from error

"""The object store of a run, with credentials from the environment or from the training's Secret."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TypeVar

from mnist_trainer.config import RunConfig
from mnist_trainer.errors import StoreAccessDeniedError
from mnist_trainer.kube.client import KubeClient, KubeError
from mnist_trainer.store import ObjectStore, StoreSettings

T = TypeVar("T")

logger = logging.getLogger(__name__)


class RunStorage:
    """The store, opened with the environment's credentials.

    Where there are none (a shared cluster), or they are refused (they were rotated after the pods had started), the
    Secret that the training names is read through the API.
    """

    def __init__(self, config: RunConfig, env: Mapping[str, str], client: KubeClient | None) -> None:
        self._config = config
        self._env = env
        self._client = client
        self._store: ObjectStore | None = None
        self._secret_read = False

    def use(self, action: Callable[[ObjectStore], T]) -> T:
        """Run `action` on the store; once more with the Secret's credentials if the first are missing or refused."""
        try:
            if self._store is None:
                self._store = self._open(self._env)
            return action(self._store)
        except StoreAccessDeniedError as error:
            fresh = self._read_secret()
            if fresh is None:
                raise
            logger.warning("%s; trying the credentials of Secret %s", error.message, self._secret_name)
            self._store = self._open({**self._env, **fresh})
            return action(self._store)

    def _open(self, env: Mapping[str, str]) -> ObjectStore:
        return ObjectStore(
            StoreSettings.from_env(env, endpoint=self._config.storage_endpoint, region=self._config.storage_region)
        )

    @property
    def _secret_name(self) -> str | None:
        return self._config.training.storage_secret if self._config.training else None

    def _read_secret(self) -> dict[str, str] | None:
        """The Secret's values under the names of environment variables; None without a Secret to read."""
        if self._client is None or self._config.training is None or self._secret_name is None:
            return None
        try:
            return self._client.read_secret(self._config.training.namespace, self._secret_name)
        except KubeError as error:
            logger.warning("the Secret %s cannot be read: %s", self._secret_name, error)
            return None

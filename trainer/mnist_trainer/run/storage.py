"""The object store of a run, with credentials from the environment or from the training's Secret."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TypeVar

from mnist_trainer.config import JobConfig
from mnist_trainer.errors import StoreAccessDeniedError, TrainerError
from mnist_trainer.kube.reporter_client import KubeError, ReporterClient
from mnist_trainer.store import ObjectStore, StoreSettings

T = TypeVar("T")

logger = logging.getLogger(__name__)


class RunStorage:
    """The store, opened with the environment's credentials.

    Where there are none (a shared cluster), or they are refused (they were rotated after the pods had started), the
    Secret that the training names is read through the API. The store that `use` hands out does so by itself, at any
    later time and for every thread.
    """

    def __init__(self, config: JobConfig, env: Mapping[str, str], client: ReporterClient | None) -> None:
        self._config = config
        self._env = env
        self._client = client
        self._store: ObjectStore | None = None

    def use(self, action: Callable[[ObjectStore], T]) -> T:
        """Run `action` on the store, which it may keep."""
        if self._store is None:
            self._store = ObjectStore(self._first_settings(), renew=self._renew)
        return action(self._store)

    def _first_settings(self) -> StoreSettings:
        try:
            return self._settings(self._env)
        except StoreAccessDeniedError:
            fresh = self._renew(None)
            if fresh is None:
                raise
            return fresh

    def _renew(self, _: StoreSettings | None) -> StoreSettings | None:
        """What the Secret says now; None without a Secret that can be read and used."""
        identity = self._config.training
        if self._client is None or identity is None or identity.storage_secret is None:
            return None
        try:
            values = self._client.read_secret(identity.namespace, identity.storage_secret)
            return self._settings({**self._env, **values})
        except (KubeError, TrainerError) as error:
            logger.warning("the Secret %s is of no use: %s", identity.storage_secret, error)
            return None

    def _settings(self, env: Mapping[str, str]) -> StoreSettings:
        return StoreSettings.from_env(env, endpoint=self._config.storage_endpoint, region=self._config.storage_region)

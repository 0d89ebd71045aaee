"""The credentials in use, and their replacement when the store refuses them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from minio import Minio

from mnist_trainer.errors import CredentialsRefusedError, StoreAccessDeniedError
from mnist_trainer.store.http import make_client
from mnist_trainer.store.retry import Attempts, RetryPolicy
from mnist_trainer.store.settings import StoreSettings

T = TypeVar("T")

Renew = Callable[[StoreSettings], StoreSettings | None]
"""Given refused settings, returns those that hold now (perhaps the same); None if there is nowhere to ask."""

_MOST_RENEWALS = 3  # in one operation

logger = logging.getLogger(__name__)


class Access:
    """Settings and the client made from them; threads that share it change to new credentials together.

    When credentials that worked are refused, they have been rotated, and the new ones may be a moment behind: then it
    asks for them again and again, as long as the policy is patient. Others are asked for once.
    """

    def __init__(self, settings: StoreSettings, policy: RetryPolicy, renew: Renew | None) -> None:
        self.settings = settings
        self.client: Minio = make_client(settings, policy)
        self._policy = policy
        self._renew = renew
        self._worked = False
        self._lock = threading.Lock()

    def run(self, operation: Callable[[], T]) -> T:
        """Run `operation` on the client, again with other credentials where these are refused and there are others."""
        for _ in range(_MOST_RENEWALS):
            used = self.settings
            try:
                return self._run(operation)
            except StoreAccessDeniedError as error:
                if not self._renewed(used, error):
                    raise
                logger.warning("%s; going on with renewed credentials", error.message)
        return self._run(operation)

    def _run(self, operation: Callable[[], T]) -> T:
        result = operation()
        self._worked = True
        return result

    def _renewed(self, refused: StoreSettings, error: StoreAccessDeniedError) -> bool:
        with self._lock:
            if self.settings != refused:  # another thread was here first
                return True
            fresh = self._ask(refused, patient=self._worked and isinstance(error, CredentialsRefusedError))
            if fresh is None:
                return False
            self.client = make_client(fresh, self._policy)
            self.settings = fresh
            return True

    def _ask(self, refused: StoreSettings, patient: bool) -> StoreSettings | None:
        """Other settings than the refused ones; None if there are none (yet)."""
        if self._renew is None:
            return None
        clock = Attempts(self._policy)
        while True:
            clock.tries += 1
            fresh = self._renew(refused)
            if fresh is not None and fresh != refused:
                return fresh
            wait = self._policy.backoff(clock.tries)
            if not patient or clock.remaining <= wait:
                return None
            time.sleep(wait)

"""Refused credentials are replaced by those that hold now, for every thread, within the policy's patience."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from mnist_trainer.errors import CredentialsRefusedError, StoreAccessDeniedError, TrainerError
from mnist_trainer.store import RetryPolicy, StoreSettings
from mnist_trainer.store.connection import Connection
from mnist_trainer.store.retry import Attempts, retrying

POLICY = RetryPolicy(give_up_after=0.3, backoff_base=0.01, backoff_max=0.02)


def settings(key: str) -> StoreSettings:
    return StoreSettings("http://127.0.0.1:1", "us-east-1", key, "secret")


class Store:
    """Accepts one key."""

    def __init__(self, accepts: str, renew: Callable[[StoreSettings], StoreSettings | None] | None) -> None:
        self.accepts = accepts
        self.tried: list[str | None] = []
        self.connection = Connection(settings("k1"), POLICY, renew)

    def ask(self, error: type[StoreAccessDeniedError] = CredentialsRefusedError) -> str:
        """What an operation of ObjectStore does, with this store instead of a real one."""
        used = self.connection.settings

        def attempt(_: Attempts) -> str:
            nonlocal used
            used = self.connection.settings
            self.tried.append(used.access_key)
            if used.access_key != self.accepts:
                raise error("refused")
            self.connection.worked()
            return "done"

        def translate(exception: Exception) -> tuple[TrainerError, bool]:
            assert isinstance(exception, TrainerError)
            return exception, False

        return retrying(attempt, POLICY, translate, lambda refusal: self.connection.recovers(refusal, used))


def test_new_ones_are_used_at_once_and_kept() -> None:
    store = Store("k2", lambda _: settings("k2"))
    assert (store.ask(), store.ask()) == ("done", "done")
    assert store.tried == ["k1", "k2", "k2"]
    credentials = store.connection.client(Attempts(POLICY))._provider.retrieve()
    assert credentials.access_key == "k2"


@pytest.mark.parametrize("renew", [None, lambda _: None, lambda refused: refused], ids=["no", "nothing", "the same"])
def test_without_others_a_first_refusal_stands_at_once(renew: Callable[[StoreSettings], StoreSettings | None]) -> None:
    store = Store("k2", renew)
    with pytest.raises(CredentialsRefusedError):
        store.ask()
    assert store.tried == ["k1"]


def test_after_they_have_worked_it_waits_for_new_ones() -> None:
    asked = []

    def renew(refused: StoreSettings) -> StoreSettings:
        asked.append(refused.access_key)
        return settings("k2" if len(asked) > 3 else "k1")

    store = Store("k1", renew)
    store.ask()
    store.accepts = "k2"
    assert store.ask() == "done"
    assert asked == ["k1"] * 4


def test_it_does_not_wait_for_ever_nor_for_a_permission() -> None:
    asked: list[StoreSettings] = []
    store = Store("k1", lambda refused: asked.append(refused))
    store.ask()
    store.accepts = "k2"
    with pytest.raises(CredentialsRefusedError):
        store.ask()
    assert len(asked) > 2
    asked.clear()
    with pytest.raises(StoreAccessDeniedError):
        store.ask(StoreAccessDeniedError)
    assert len(asked) == 1


def test_credentials_that_keep_changing_come_to_an_end() -> None:
    names = (f"n{number}" for number in range(100))
    store = Store("never", lambda _: settings(next(names)))
    with pytest.raises(CredentialsRefusedError):
        store.ask()
    assert store.tried == ["k1", "n0", "n1", "n2"]


def test_threads_renew_once_between_them() -> None:
    asked: list[str | None] = []
    together = threading.Barrier(4)

    def renew(refused: StoreSettings) -> StoreSettings:
        asked.append(refused.access_key)
        return settings("k2")

    store = Store("k2", renew)

    def work(_: int) -> str:
        together.wait(10)
        return store.ask()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == ["done"] * 4
    assert asked == ["k1"]

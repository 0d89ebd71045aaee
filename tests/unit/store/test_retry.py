import pytest

from mnist_trainer.errors import StoreAccessDeniedError, StoreUnreachableError, TrainerError
from mnist_trainer.store import retry
from mnist_trainer.store.retry import Attempts, RetryPolicy, retrying


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(retry, "time", clock)
    return clock


def translate(exception: Exception) -> tuple[TrainerError, bool]:
    if isinstance(exception, PermissionError):
        return StoreAccessDeniedError("no"), False
    return StoreUnreachableError("away"), True


def test_gives_up_in_time_with_growing_waits(clock: Clock) -> None:
    policy = RetryPolicy(give_up_after=60, backoff_base=0.2, backoff_max=5)
    with pytest.raises(StoreUnreachableError, match=r"away \(gave up after \d+ tries in \d+ s\)"):
        retrying(lambda _: 1 / 0, policy, translate)
    assert clock.now <= 60
    assert clock.waits[0] <= 0.2
    assert max(clock.waits) <= 5
    assert clock.waits[6] > clock.waits[0]
    assert len(clock.waits) < 40


def test_a_refusal_is_not_retried(clock: Clock) -> None:
    def attempt(_: Attempts) -> None:
        raise PermissionError

    with pytest.raises(StoreAccessDeniedError, match=r"^no$"):
        retrying(attempt, RetryPolicy(), translate)
    assert clock.waits == []


def test_recovers(clock: Clock) -> None:
    def attempt(attempts: Attempts) -> int:
        if attempts.tries < 4:
            raise ConnectionError
        return attempts.tries

    assert retrying(attempt, RetryPolicy(), translate) == 4


def test_progress_renews_the_patience_but_a_drip_does_not(clock: Clock) -> None:
    def run(moved: int) -> int:
        tries = 0

        def attempt(attempts: Attempts) -> None:
            nonlocal tries
            tries += 1
            clock.now += 9
            attempts.moved(moved)
            if tries == 20:
                return
            raise ConnectionError

        retrying(attempt, RetryPolicy(give_up_after=30), translate)
        return tries

    assert run(2 << 20) == 20
    with pytest.raises(StoreUnreachableError):
        run(1)

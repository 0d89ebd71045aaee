"""Workers compute on the CPUs that are theirs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mnist_trainer.workers.worker import use_assigned_cpus


@pytest.mark.parametrize(
    ("variable", "resources", "threads"),
    [(None, {"CPU": 1.0}, 1), (None, {"CPU": 4.0}, 4), ("2", {"CPU": 1.0}, 2), ("", {"CPU": 0.5}, 1), (None, {}, 1)],
)
def test_threads_follow_the_assigned_cpus(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, resources: dict[str, float], threads: int
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if variable is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    chosen: list[int] = []
    use_assigned_cpus(SimpleNamespace(set_num_threads=chosen.append), resources)
    assert chosen == [threads]

"""Tells the driver about workers that Ray Train is about to replace."""

from __future__ import annotations

from typing import Any

from ray.train import UserCallback

from mnist_trainer.raytrain.messages import WorkersLost

_LENGTH = 300


class LossCallback(UserCallback):  # type: ignore[misc]  # ray has no types
    """Runs in Ray Train's controller; must not wait."""

    def __init__(self, coordinator: Any) -> None:
        self._coordinator = coordinator

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """Pass on which workers failed, and how, in one line each."""
        reasons = {rank: _summary(error) for rank, error in worker_exceptions.items()}
        out_of_memory = any("OutOfMemory" in f"{type(error).__name__} {error}" for error in worker_exceptions.values())
        self._coordinator.lose.remote(WorkersLost(reasons, out_of_memory))


def _summary(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[-1] if lines else type(error).__name__
    return text if len(text) <= _LENGTH else text[: _LENGTH - 3] + "..."

"""A script's figures on the metrics port of the Ray node where it runs, beside those of our own recipe.

A thread connects to Ray for that alone. Whatever it meets, the run goes on without figures there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping

from mnist_trainer.config import ScriptConfig
from mnist_trainer.script.progress import ScriptProgress

_SECONDS = 5.0

logger = logging.getLogger(__name__)


class ExportedMetrics:
    """Sets the gauges of a training's progress again and again, for Ray forgets a gauge after some 20 seconds."""

    def __init__(self, config: ScriptConfig, address: str, progress: ScriptProgress) -> None:
        self._config = config
        self._address = address
        self._progress = progress
        self._connected = threading.Event()
        threading.Thread(target=self._run, name="exported-metrics", daemon=True).start()

    @classmethod
    def start(cls, config: ScriptConfig, env: Mapping[str, str], progress: ScriptProgress) -> ExportedMetrics | None:
        """Begin, on the cluster that this process was started on; None where it was not started on one."""
        address = env.get("RAY_ADDRESS", "")
        return cls(config, address, progress) if address else None

    def just_connected(self) -> bool:
        """True once, when the connection has been made."""
        if self._connected.is_set():
            self._connected.clear()
            return True
        return False

    def _run(self) -> None:
        try:
            import ray

            from mnist_trainer.workers.metrics import ScriptMetrics

            ray.init(address=self._address, logging_level=logging.ERROR, log_to_driver=False)
            self._connected.set()
            identity = self._config.training
            namespace, name = (identity.namespace, identity.name) if identity else ("", self._config.name)
            metrics = ScriptMetrics(namespace, name)
            while True:
                progress = self._progress
                metrics.show(
                    {
                        "epoch": progress.epoch,
                        "epochs": progress.epochs,
                        "accuracy": progress.accuracy,
                        "loss": progress.loss,
                        "workers": progress.workers,
                        "progress_ratio": _ratio(progress.epoch, progress.epochs),
                    },
                    dict(progress.metrics),
                )
                time.sleep(_SECONDS)
        except Exception as error:  # noqa: BLE001  (whatever Ray raises)
            logger.warning("the script's figures are not on Ray's metrics port: %s", error)


def _ratio(epoch: int | None, epochs: int | None) -> float | None:
    return None if epoch is None or not epochs else min(1.0, epoch / epochs)

"""The Ray cluster: the one this process was started on, or one of its own on this machine."""

from __future__ import annotations

import contextlib
import logging
import secrets
import shutil
import tempfile
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from mnist_trainer.workers.lines import WorkerLines, listen

_TOKEN = "token"  # noqa: S105  (the name of the file)
_ENDED_BY_THE_KERNEL = ("gcs_server", "raylet")


@dataclass
class RayCluster:
    """A connection. `own` tells that the cluster was started by, and ends with, this process."""

    own: bool
    scratch: Path

    def close(self) -> None:
        """Disconnect; ends a cluster of our own, and removes what it wrote."""
        import ray

        ray.shutdown()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def abandon(self) -> None:
        """End what a cluster of our own has started, when there is no time to end it in good order.

        The kernel ends Ray's servers with this process; agents and workers would linger a while. Were the raylet killed
        first, Ray would end this process with a status of its own. The raylet ends itself when it sees an agent end, so
        it is stopped before that. Of a cluster of others nothing is ended.
        """
        if not self.own:
            return
        below = psutil.Process().children(recursive=True)
        for process in below:
            with contextlib.suppress(psutil.Error):
                if process.name() == "raylet":
                    process.suspend()
        for process in below:
            with contextlib.suppress(psutil.Error):
                if process.name() not in _ENDED_BY_THE_KERNEL:
                    process.kill()
        shutil.rmtree(self.scratch, ignore_errors=True)


def prepare(env: MutableMapping[str, str]) -> Path:
    """Set what Ray reads when it is imported from `env`, the process's environment, and import it.

    Returns the name of a scratch folder; `open_cluster` makes it.
    """
    scratch = Path(_scratch_parent(env)) / f"mt-{secrets.token_hex(4)}"
    env.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if not env.get("RAY_ADDRESS"):
        env["RAY_TMPDIR"] = str(scratch)
        env.setdefault("RAY_raylet_start_wait_time_s", "90")  # Ray's own patience with a busy machine is 30
        if "RAY_AUTH_MODE" not in env:
            # Ray listens on all interfaces, so that even a cluster for one run asks for a token; without a path of ours
            # it would keep one in the home folder.
            env.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(scratch / _TOKEN))
    import ray  # noqa: F401  (half a second, well spent while the data loads)

    return scratch


def open_cluster(
    scratch: Path, address: str | None, workers: int, gpus: float, lines: WorkerLines | None = None
) -> RayCluster:
    """Connect to the cluster at `address` (RAY_ADDRESS), or start one on this machine with room for `workers`.

    What workers print goes to `lines`; without, it stays in Ray's logs.
    """
    import ray

    scratch.mkdir(mode=0o700)
    logging.getLogger("ray._private.worker").setLevel(logging.ERROR)  # it warns that this is not the main thread
    # The workers' output is not shown among the driver's: a run reports through its own channel.
    quiet = {"logging_level": logging.ERROR, "log_to_driver": lines is not None}
    cluster = RayCluster(own=not address, scratch=scratch)
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            (scratch / _TOKEN).write_text(secrets.token_hex(32))
            ray.init(num_cpus=workers, num_gpus=int(gpus * workers) or None, include_dashboard=False, **quiet)
    except BaseException:
        cluster.close()
        raise
    if lines is not None:
        listen(lines)
    return cluster


def _scratch_parent(env: Mapping[str, str]) -> str:
    # Sockets live below it, and their addresses have room for about a hundred characters.
    given = env.get("MNIST_SCRATCH_DIR")
    return given if given and len(given) <= 40 and Path(given).is_dir() else tempfile.gettempdir()

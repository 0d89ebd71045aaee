"""The Ray cluster: the one this process was started on, or one of its own on this machine."""

from __future__ import annotations

import logging
import secrets
import shutil
import tempfile
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

# How Ray Train behaves, where its variables are not set already. It hands them on to its controller and workers.
_RAY_TRAIN_DEFAULTS = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # how soon a lost worker is noticed; Ray's own default is 2
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "30",  # how long a group waits for its places before it is sized anew
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}


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


def open_cluster(env: MutableMapping[str, str], workers: int, gpus: float, elastic: bool) -> RayCluster:
    """Connect to the cluster at RAY_ADDRESS, or start one on this machine with room for `workers`.

    `env` is the process's environment: Ray reads it when it is imported, which happens here.
    """
    scratch = Path(tempfile.mkdtemp(prefix="mt-", dir=_scratch_parent(env)))
    own = not env.get("RAY_ADDRESS")
    for name, value in _RAY_TRAIN_DEFAULTS.items():
        env.setdefault(name, value)
    # One helper process less, where a notice of preemption would change nothing.
    env.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "1" if elastic else "0")
    if own:
        env["RAY_TMPDIR"] = str(scratch)
        if "RAY_AUTH_MODE" not in env:
            _make_token(env, scratch / "token")
    import ray

    # The workers' output stays in Ray's logs: a run reports through its own channel.
    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    if own:
        ray.init(num_cpus=workers, num_gpus=int(gpus * workers) or None, include_dashboard=False, **quiet)
    else:
        ray.init(address="auto", **quiet)
    return RayCluster(own, scratch)


def _make_token(env: MutableMapping[str, str], path: Path) -> None:
    # Ray listens on all interfaces, so that even a cluster for one run asks for a token; without a path of ours it
    # would keep one in the home folder.
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(32))
    env["RAY_AUTH_MODE"] = "token"
    env["RAY_AUTH_TOKEN_PATH"] = str(path)


def _scratch_parent(env: Mapping[str, str]) -> str | None:
    # Sockets live below it, and their addresses have room for about a hundred characters.
    given = env.get("MNIST_SCRATCH_DIR")
    return given if given and len(given) <= 40 and Path(given).is_dir() else None

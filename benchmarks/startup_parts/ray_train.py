"""The same start through Ray Train v2, for comparison: processes until two workers have exchanged a first tensor.

It loads no data and builds no network, and Ray Train is set up as light as its documented settings allow: no torch in
driver and controller, no print patch, no watcher, frequent health checks.
"""

from __future__ import annotations

import time

STARTED = time.time()

import json  # noqa: E402
import os  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

LIGHT = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}


def first_exchange(config: dict[str, Any]) -> None:
    """Runs in each worker: as much as it takes to add up one tensor."""
    import ray
    import torch
    from ray.train import get_context
    from ray.train.collective import broadcast_from_rank_zero

    context = get_context()
    rank = context.get_world_rank()
    with socket.socket() as probe:
        probe.bind(("", 0))
        mine = f"tcp://{ray.util.get_node_ip_address()}:{probe.getsockname()[1]}"
    address = broadcast_from_rank_zero(mine if rank == 0 else None)
    size = context.get_world_size()
    torch.distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=size)
    torch.distributed.all_reduce(torch.ones(1))
    if rank == 0:
        Path(config["result"]).write_text(str(time.time()))


def main(result: str, workers: int) -> None:
    """Print the stages as JSON: Unix times by name."""
    os.environ.update(LIGHT)
    import ray
    from ray.train import RunConfig, ScalingConfig
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    marks = {"started": STARTED, "rayImported": time.time()}
    ray.init(log_to_driver=False, logging_level="ERROR")
    marks["rayConnected"] = time.time()
    DataParallelTrainer(
        first_exchange,
        train_loop_config={"result": result},
        scaling_config=ScalingConfig(num_workers=workers),
        run_config=RunConfig(name="start", storage_path=str(Path(result).parent / "ray-train")),
    ).fit()
    marks["firstStep"] = float(Path(result).read_text())
    print(json.dumps(marks))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

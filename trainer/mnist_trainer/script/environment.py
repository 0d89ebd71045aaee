"""What the user's command finds in its environment (``contracts/trainer.json``, ``code.environment``)."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnist_trainer.config import ScriptConfig
from mnist_trainer.naming import RunPlace

_CALLBACK = "mnist_report.ray_train.MnistCallback"
_CALLBACKS_OF_RAY = ("train", "v2", "_internal", "callbacks", "env_callback.py")
_JOB_CONFIG = "RAY_JOB_CONFIG_JSON_ENV_VAR"


@dataclass(frozen=True)
class Surroundings:
    """What a run gives to the command: folders on the head, and where to report."""

    code: Path
    """Where the command runs; the user's files, if there are any."""
    has_code: bool
    output: Path
    report_url: str
    report_token: str


def environment(
    config: ScriptConfig, place: RunPlace, surroundings: Surroundings, env: Mapping[str, str]
) -> dict[str, str]:
    """The command's whole environment: this process's own, and what the contract promises.

    Ray gives the promised variables, and the user's files, to every worker of the command's Ray job. Credentials are
    no part of that: the workers' pods have them.
    """
    promised = _promised(config, place, surroundings)
    path = [str(surroundings.code), *filter(None, [env.get("PYTHONPATH", "")])]
    return {
        **env,
        **promised,
        "OUTPUT_DIR": str(surroundings.output),
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONUNBUFFERED": "1",
        _JOB_CONFIG: json.dumps(_job_config(env.get(_JOB_CONFIG, ""), promised, surroundings)),
        # What the script itself gives to ray.init() wins.
        "RAY_OVERRIDE_JOB_RUNTIME_ENV": "1",
        **callbacks(env),
    }


def callbacks(env: Mapping[str, str]) -> dict[str, str]:
    """The variable that makes Ray Train tell its progress, beside callbacks that are named there already.

    None where this version of Ray would not know it: an unknown callback fails a run.
    """
    found = importlib.util.find_spec("ray")
    if found is None or found.origin is None or not Path(found.origin).parent.joinpath(*_CALLBACKS_OF_RAY).is_file():
        return {}
    return {"RAY_TRAIN_CALLBACKS": ",".join(filter(None, [env.get("RAY_TRAIN_CALLBACKS", ""), _CALLBACK]))}


def _promised(config: ScriptConfig, place: RunPlace, surroundings: Surroundings) -> dict[str, str]:
    return {
        "DATASET": config.dataset,
        "OUTPUT": str(place.output),
        "CHECKPOINTS": str(place.checkpoints),
        "LOGS": str(place.logs),
        "MNIST_NAME": config.name,
        "MNIST_ATTEMPT": str(config.attempt),
        "MNIST_WORKERS": str(config.workers),
        "MNIST_GPUS_PER_WORKER": f"{config.gpus_per_worker:g}",
        "MNIST_REPORT_URL": surroundings.report_url,
        "MNIST_REPORT_TOKEN": surroundings.report_token,
        # PyArrow's client, which Ray Train uses, would else send checksums that not every store takes.
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
    }


def _job_config(given: str, promised: dict[str, str], surroundings: Surroundings) -> dict[str, Any]:
    """What Ray's job supervisor has put there, with the files and variables for the workers added."""
    try:
        config: dict[str, Any] = json.loads(given) if given else {}
    except ValueError:
        config = {}
    runtime: dict[str, Any] = dict(config.get("runtime_env") or {})
    runtime["env_vars"] = {**promised, **(runtime.get("env_vars") or {})}
    if surroundings.has_code and "working_dir" not in runtime:
        runtime["working_dir"] = str(surroundings.code)
    return {**config, "runtime_env": runtime}

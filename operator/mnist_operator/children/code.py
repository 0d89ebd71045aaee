"""Code of the user's own: where its files are in the pods, and how the trainer is told of it.

Names and paths are the contract's (``contracts/trainer.json``, ``code``).
"""

from __future__ import annotations

import base64
import json
import re

from mnist_operator.api.code import CodeSpec
from mnist_operator.children.training import Manifest, Training

VOLUME = "code"
MOUNT_PATH = "/opt/mnist-training/code"
_SMALL_LOGS = {"RAY_ROTATION_MAX_BYTES": str(64 << 20), "RAY_ROTATION_BACKUP_COUNT": "1"}
# No shell does anything with these, so a command of such words is passed as it is, for people to read.
_PLAIN = re.compile(r"[A-Za-z0-9._=+@:,/-]+")


def command_of(training: Training) -> list[str] | None:
    """Return the user's own command, which runs in our trainer's place; None where our trainer runs."""
    return training.spec.code.command if training.spec.code is not None else None


def config_map_name(training: Training) -> str | None:
    """Return the name of the ConfigMap with the code, if that is where it is."""
    code = training.spec.code
    return code.config_map.name if code is not None and code.config_map is not None else None


def mount(training: Training, container: Manifest, volumes: list[Manifest]) -> None:
    """Give a Ray container the files of the ConfigMap, read-only, and tell it the folder; changes both arguments.

    The volume is not optional: a ConfigMap that comes later, as with GitOps, lets the pods start. Whatever the code
    prints, Ray's own log files stay small.
    """
    if training.spec.code is None:
        return
    name = config_map_name(training)
    # Not on PYTHONPATH: a file named as a module of Python's own is would keep Ray itself from starting.
    found = {} if name is None else {"MNIST_CODE_DIR": MOUNT_PATH}
    variables = [{"name": key, "value": value} for key, value in {**_SMALL_LOGS, **found}.items()]
    container["env"] = [*container.get("env", []), *variables]
    if name is None:
        return
    container["volumeMounts"].append({"name": VOLUME, "mountPath": MOUNT_PATH, "readOnly": True})
    volumes.append({"name": VOLUME, "configMap": {"name": name}})


def source_flags(code: CodeSpec | None) -> dict[str, object]:
    """Return the trainer's flags that say where the code is; a mounted ConfigMap is known from the environment."""
    archive = code.archive if code is not None else None
    return {
        "--code-archive": archive.url if archive is not None else None,
        "--code-sha256": archive.sha256 if archive is not None else None,
    }


def command_words(command: list[str]) -> list[str]:
    """Return the words that stand behind the flags of `mnist-trainer run`.

    KubeRay passes them through one shell or through two, so a command that a shell would change is encoded.
    """
    if all(_PLAIN.fullmatch(word) for word in command):
        return ["--", *command]
    return ["--encoded", base64.urlsafe_b64encode(json.dumps(command).encode()).decode()]

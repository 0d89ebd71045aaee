"""The `ray start` command of a group, as KubeRay writes it into the pod."""

import json

from mnist_local.kuberay import constants as k
from mnist_local.kuberay import quantity
from mnist_local.kuberay.json_types import Json

_EXPLICIT_BOOLEANS = {"log-color", "include-dashboard", "include-log-monitor"}


def complete(group: Json, container: Json, gcs_address: str | None) -> dict[str, str]:
    """The rayStartParams of a group with everything that KubeRay adds; `gcs_address` is None for the head.

    An explicit parameter always wins over what the container's resources say.
    """
    params: dict[str, str] = dict(group.get("rayStartParams") or {})
    params |= _group_resources(group.get("resources") or {})
    if labels := group.get("labels"):
        params["labels"] = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
    if gcs_address is None:
        params.setdefault("dashboard-host", "0.0.0.0")
    else:
        params.setdefault("address", gcs_address)
    params.setdefault("metrics-export-port", str(k.PORTS["metrics"]))
    params.setdefault("dashboard-agent-listen-port", str(k.DASHBOARD_AGENT_PORT))
    params["block"] = "true"
    return _with_container_resources(params, container)


def _group_resources(resources: dict[str, str]) -> dict[str, str]:
    named = {"CPU": "num-cpus", "GPU": "num-gpus", "memory": "memory"}
    params = {named[key]: str(quantity.round_up(value)) for key, value in resources.items() if key in named}
    custom = {key: quantity.round_up(value) for key, value in resources.items() if key not in named}
    if custom:
        params["resources"] = f"'{json.dumps(custom)}'"
    return params


def _with_container_resources(params: dict[str, str], container: Json) -> dict[str, str]:
    resources = container.get("resources") or {}
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    cpu = next((found for found in (limits.get("cpu"), requests.get("cpu")) if found and quantity.parse(found)), None)
    if cpu is not None:
        params.setdefault("num-cpus", str(quantity.round_up(cpu)))
    if limits.get("memory") and quantity.parse(limits["memory"]):
        params.setdefault("memory", str(quantity.round_up(limits["memory"])))
    for name in sorted(limits):
        if name.endswith("gpu") and quantity.parse(limits[name]):
            params.setdefault("num-gpus", str(quantity.round_up(limits[name])))
    return params


def command(is_head: bool, params: dict[str, str]) -> str:
    """Shell command: booleans become bare flags (or nothing when false), everything else `--name=value`."""
    words = ["ray", "start"] + (["--head"] if is_head else [])
    for name, value in sorted(params.items()):
        if value.lower() in {"true", "false"} and name not in _EXPLICIT_BOOLEANS:
            if value.lower() == "true":
                words.append(f"--{name}")
        else:
            words.append(f"--{name}={value}")
    return " ".join(words)

"""Pods, and the kinds with a pod template: defaults that a kubelet relies on, graceful deletion, rules of form."""

from __future__ import annotations

from typing import Any

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.kinds import Hooks
from mnist_local.apiserver.schema import errors as field
from mnist_local.apiserver.schema.errors import FieldError

_DEFAULTS: dict[str, Any] = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
}


def _default_pod_spec(spec: Obj) -> None:
    for key, value in _DEFAULTS.items():
        spec.setdefault(key, value)
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        resources = container.setdefault("resources", {})
        if limits := resources.get("limits"):
            resources["requests"] = {**limits, **(resources.get("requests") or {})}
        image = container.get("image", "")
        latest = ":" not in image.rpartition("/")[2] or image.endswith(":latest")
        container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
    for volume in spec.get("volumes") or ():
        if not set(volume) - {"name"}:
            volume["emptyDir"] = {}


def _validate_pod_spec(spec: Obj, path: str) -> list[FieldError]:
    causes = [] if spec.get("containers") else [field.required(f"{path}.containers")]
    volumes = {volume.get("name") for volume in spec.get("volumes") or ()}
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(kind) or ()):
            where = f"{path}.{kind}[{index}]"
            causes += [field.required(f"{where}.{name}") for name in ("name", "image") if not container.get(name)]
            causes += [
                field.invalid(f"{where}.volumeMounts[{number}].name", mount.get("name"), "no volume has this name")
                for number, mount in enumerate(container.get("volumeMounts") or ())
                if mount.get("name") not in volumes
            ]
    return causes


def _default_pod(obj: Obj) -> None:
    _default_pod_spec(obj.setdefault("spec", {}))


def _new_pod(obj: Obj) -> None:
    obj["status"] = {"phase": "Pending"}


def _validate_pod(obj: Obj, old: Obj | None) -> list[FieldError]:
    return _validate_pod_spec(obj["spec"], "spec")


def _grace_period(obj: Obj, requested: int | None) -> int:
    """A pod that no node runs goes at once; for any other the kubelet gets its time."""
    spec = obj.get("spec", {})
    if not spec.get("nodeName") or obj.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    if requested is None:
        return int(spec.get("terminationGracePeriodSeconds", 30))
    return requested if requested >= 0 else 1


def _default_template(obj: Obj) -> None:
    template = obj.setdefault("spec", {}).setdefault("template", {})
    template.setdefault("metadata", {})
    _default_pod_spec(template.setdefault("spec", {}))


def _default_job(obj: Obj) -> None:
    _default_template(obj)
    for key, value in (("completions", 1), ("parallelism", 1), ("backoffLimit", 6)):
        obj["spec"].setdefault(key, value)


def _new_job(obj: Obj) -> None:
    """A Job's selector is made from its uid, so that no two Jobs select the same pods."""
    obj["status"] = {}
    spec, metadata = obj["spec"], obj["metadata"]
    labels = spec["template"]["metadata"].setdefault("labels", {})
    for prefix in ("batch.kubernetes.io/", ""):
        labels.setdefault(f"{prefix}controller-uid", metadata["uid"])
        labels.setdefault(f"{prefix}job-name", metadata["name"])
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": metadata["uid"]}}


def _validate_job(obj: Obj, old: Obj | None) -> list[FieldError]:
    spec = obj["spec"]
    causes = _validate_pod_spec(spec["template"]["spec"], "spec.template.spec")
    if spec["template"]["spec"].get("restartPolicy") == "Always":
        causes.append(field.not_supported("spec.template.spec.restartPolicy", "Always", ("OnFailure", "Never")))
    return causes


def _default_deployment(obj: Obj) -> None:
    _default_template(obj)
    obj["spec"].setdefault("replicas", 1)


def _new_deployment(obj: Obj) -> None:
    obj["status"] = {}


HOOKS = {
    "pods": Hooks(default=_default_pod, prepare_create=_new_pod, validate=_validate_pod, grace_period=_grace_period),
    "jobs.batch": Hooks(
        default=_default_job, prepare_create=_new_job, validate=_validate_job, default_propagation="Orphan"
    ),
    "deployments.apps": Hooks(default=_default_deployment, prepare_create=_new_deployment),
}

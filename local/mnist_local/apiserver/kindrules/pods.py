"""Pods: defaults, what the server sets, graceful deletion, and which parts of a pod may change."""

from __future__ import annotations

from typing import Any

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.kinds import Hooks
from mnist_local.apiserver.schema import errors as field
from mnist_local.apiserver.schema.errors import FieldError

_SPEC: dict[str, Any] = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "enableServiceLinks": True,
}
_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")


def default_pod_spec(spec: Obj) -> None:
    """Fill in what a pod spec may leave out, in a pod or a template."""
    for key, value in _SPEC.items():
        if spec.get(key) is None:
            spec[key] = value
    spec.setdefault("securityContext", {})
    for name in _CONTAINER_LISTS:
        for container in spec.get(name) or ():
            _default_container(container)
    for volume in spec.get("volumes") or ():
        _default_volume(volume)
    if account := spec.get("serviceAccountName"):
        # The deprecated name of the field is kept in step.
        spec["serviceAccount"] = account
    elif spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"]


def _default_container(container: Obj) -> None:
    image = container.get("image", "")
    tagged = ":" in image.rpartition("/")[2] or "@" in image
    latest = not tagged or image.endswith(":latest")
    container.setdefault("resources", {})
    if image:
        container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if (found := container.get(probe)) is not None:
            for key, value in _PROBE.items():
                found.setdefault(key, value)
            if "httpGet" in found:
                found["httpGet"].setdefault("scheme", "HTTP")
                found["httpGet"].setdefault("path", "/")
    for variable in container.get("env") or ():
        if (source := (variable.get("valueFrom") or {}).get("fieldRef")) is not None:
            source.setdefault("apiVersion", "v1")
    requests, limits = container["resources"].get("requests"), container["resources"].get("limits")
    if limits:
        container["resources"]["requests"] = {**limits, **(requests or {})}


def _default_volume(volume: Obj) -> None:
    if not set(volume) - {"name"}:
        volume["emptyDir"] = {}
    for kind in ("secret", "configMap", "projected", "downwardAPI"):
        if isinstance(volume.get(kind), dict):
            volume[kind].setdefault("defaultMode", 420)
    for source in (volume.get("projected") or {}).get("sources") or ():
        if "serviceAccountToken" in source:
            source["serviceAccountToken"].setdefault("expirationSeconds", 3600)
        for item in (source.get("downwardAPI") or {}).get("items") or ():
            (item.get("fieldRef") or {}).setdefault("apiVersion", "v1")


def _default(obj: Obj) -> None:
    default_pod_spec(obj.setdefault("spec", {}))


def _prepare_create(obj: Obj) -> None:
    obj["status"] = {"phase": "Pending", "qosClass": qos_class(obj["spec"])}


def _prepare_update(obj: Obj, old: Obj) -> None:
    obj["status"] = old.get("status", {})


def qos_class(spec: Obj) -> str:
    """Return the quality of service that a pod's requests and limits make."""
    wanted: list[Obj] = [c.get("resources") or {} for n in ("initContainers", "containers") for c in spec.get(n) or ()]
    if not any(resources.get("requests") or resources.get("limits") for resources in wanted):
        return "BestEffort"
    for resources in wanted:
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        if not {"cpu", "memory"} <= set(limits) or any(requests.get(k, v) != v for k, v in limits.items()):
            return "Burstable"
    return "Guaranteed"


def _grace_period(obj: Obj, requested: int | None) -> int:
    spec = obj.get("spec", {})
    if not spec.get("nodeName") or obj.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    if requested is None:
        return int(spec.get("terminationGracePeriodSeconds", 30))
    return requested if requested >= 0 else 1


_MUTABLE = ("activeDeadlineSeconds", "tolerations", "schedulingGates", "terminationGracePeriodSeconds", "nodeName")


def _validate(obj: Obj, old: Obj | None) -> list[FieldError]:
    spec = obj.get("spec", {})
    causes = validate_pod_spec(spec, "spec")
    if old is not None and _fixed(spec) != _fixed(old.get("spec", {})):
        causes.append(
            field.forbidden(
                "spec",
                "pod updates may not change fields other than `spec.containers[*].image`,"
                "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
                "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
                "previously negative)",
            )
        )
    return causes


def _fixed(spec: Obj) -> Obj:
    out = {key: value for key, value in spec.items() if key not in _MUTABLE}
    for name in _CONTAINER_LISTS:
        if name in out:
            out[name] = [{k: v for k, v in container.items() if k != "image"} for container in out[name]]
    return out


def validate_pod_spec(spec: Obj, path: str) -> list[FieldError]:
    """Check the rules of a pod spec that a wrong manifest breaks most often."""
    causes: list[FieldError] = []
    if not spec.get("containers"):
        causes.append(field.required(f"{path}.containers"))
    seen: set[str] = set()
    volumes = {volume.get("name") for volume in spec.get("volumes") or ()}
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(kind) or ()):
            causes += _validate_container(container, f"{path}.{kind}[{index}]", seen, volumes)
    policy = spec.get("restartPolicy")
    if policy not in ("Always", "OnFailure", "Never"):
        causes.append(field.not_supported(f"{path}.restartPolicy", policy, ("Always", "OnFailure", "Never")))
    return causes


def _validate_container(container: Obj, path: str, seen: set[str], volumes: set[Any]) -> list[FieldError]:
    causes: list[FieldError] = []
    name = container.get("name")
    if not name:
        causes.append(field.required(f"{path}.name"))
    elif name in seen:
        causes.append(field.duplicate(f"{path}.name", name))
    seen.add(name or "")
    if not container.get("image"):
        causes.append(field.required(f"{path}.image"))
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        if mount.get("name") not in volumes:
            where = f"{path}.volumeMounts[{index}].name"
            causes.append(FieldError(where, "FieldValueNotFound", f'Not found: "{mount.get("name")}"'))
    return causes


HOOKS = {
    "pods": Hooks(
        default=_default,
        prepare_create=_prepare_create,
        prepare_update=_prepare_update,
        validate=_validate,
        grace_period=_grace_period,
    )
}

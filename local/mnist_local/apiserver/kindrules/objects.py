"""Namespaces, Secrets, ConfigMaps, Services, Leases, Events, and roles with their bindings."""

from __future__ import annotations

import base64
import binascii
import itertools

from mnist_local.apiserver.errors import Obj, UndecodableError
from mnist_local.apiserver.kinds import Hooks
from mnist_local.apiserver.objectmeta import config_key
from mnist_local.apiserver.rbac import BINDINGS, CLUSTER_BINDINGS, CLUSTER_ROLES, ROLES
from mnist_local.apiserver.schema import errors as field
from mnist_local.apiserver.schema.errors import FieldError

_LIMIT = 1024 * 1024
_GROUP = "rbac.authorization.k8s.io"
_addresses = itertools.count(10)
_node_ports = itertools.cycle(range(30000, 32768))


def _default_namespace(obj: Obj) -> None:
    if name := obj["metadata"].get("name"):
        # The label lets network policies and admission select a namespace by its name.
        obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name


def _new_namespace(obj: Obj) -> None:
    _default_namespace(obj)
    obj["spec"] = {"finalizers": ["kubernetes"]}
    obj["status"] = {"phase": "Active"}


def _changed_namespace(obj: Obj, old: Obj) -> None:
    obj.setdefault("spec", old["spec"])


def _ending_namespace(obj: Obj) -> list[str]:
    obj["status"] = {**obj.get("status", {}), "phase": "Terminating"}
    return []


def _is_kept(namespace: Obj) -> bool:
    return bool(namespace.get("spec", {}).get("finalizers"))


def _default_secret(obj: Obj) -> None:
    if text := obj.pop("stringData", None):
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in text.items()}
        obj["data"] = {**(obj.get("data") or {}), **encoded}
    for value in (obj.get("data") or {}).values():
        try:
            base64.b64decode(value or "", validate=True)
        except (binascii.Error, ValueError):
            # The value itself must not be shown.
            raise UndecodableError("illegal base64 data at input byte 0") from None
    obj["type"] = obj.get("type") or "Opaque"


def _validate_data(obj: Obj, old: Obj | None) -> list[FieldError]:
    data = {**(obj.get("data") or {}), **(obj.get("binaryData") or {})}
    causes = [field.invalid(f"data[{key}]", key, text) for key in data for text in config_key(key)]
    if sum(len(str(value)) for value in data.values()) > _LIMIT * 4 // 3:
        causes.append(field.too_long("data", _LIMIT))
    if old is not None:
        if obj.get("type") != old.get("type"):
            causes.append(field.invalid("type", obj.get("type"), "field is immutable"))
        if old.get("immutable") and (obj.get("data") or {}) != (old.get("data") or {}):
            causes.append(field.forbidden("data", "field is immutable when `immutable` is set"))
    return causes


def _default_service(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))


def _new_service(obj: Obj) -> None:
    obj["status"] = {"loadBalancer": {}}
    spec = obj["spec"]
    if spec["type"] != "ExternalName":
        if not spec.get("clusterIP"):
            number = next(_addresses)
            spec["clusterIP"] = f"10.96.{number // 250 % 250}.{number % 250 + 1}"
        spec["clusterIPs"] = [spec["clusterIP"]]
    if spec["type"] in {"NodePort", "LoadBalancer"}:
        for port in spec.get("ports") or ():
            port.setdefault("nodePort", next(_node_ports))


def _changed_service(obj: Obj, old: Obj) -> None:
    for name in ("clusterIP", "clusterIPs"):
        if name in old["spec"]:
            obj["spec"].setdefault(name, old["spec"][name])


def _fill_event(obj: Obj, _old: Obj | None = None) -> None:
    """Set the fields that a real server shows even where they are empty."""
    empty: Obj = {"source": {}, "firstTimestamp": None, "lastTimestamp": None, "eventTime": None}
    for key, value in {**empty, "reportingComponent": "", "reportingInstance": ""}.items():
        obj.setdefault(key, value)


def _validate_event(obj: Obj, old: Obj | None) -> list[FieldError]:
    """An event stands beside what it is about; one with an `eventTime` may stand anywhere."""
    about = (obj.get("involvedObject") or {}).get("namespace")
    if obj.get("eventTime") or (about or "default") == obj["metadata"].get("namespace"):
        return []
    return [field.invalid("involvedObject.namespace", about or "", "does not match event.namespace")]


def _default_role(obj: Obj) -> None:
    obj["rules"] = obj.get("rules") or []


def _default_binding(obj: Obj) -> None:
    if isinstance(obj.get("roleRef"), dict):
        obj["roleRef"]["apiGroup"] = obj["roleRef"].get("apiGroup") or _GROUP
    for subject in obj.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            subject["apiGroup"] = subject.get("apiGroup") or _GROUP


_ROLE = Hooks(default=_default_role)
_BINDING = Hooks(default=_default_binding)
HOOKS = {
    "namespaces": Hooks(
        default=_default_namespace, prepare_create=_new_namespace, prepare_update=_changed_namespace,
        begin_delete=_ending_namespace, keeps_on_delete=_is_kept,
    ),
    "secrets": Hooks(default=_default_secret, validate=_validate_data),
    "configmaps": Hooks(validate=_validate_data),
    "services": Hooks(default=_default_service, prepare_create=_new_service, prepare_update=_changed_service),
    "events": Hooks(validate=_validate_event, prepare_create=_fill_event, prepare_update=_fill_event),
    ROLES: _ROLE, CLUSTER_ROLES: _ROLE, BINDINGS: _BINDING, CLUSTER_BINDINGS: _BINDING,
}  # fmt: skip

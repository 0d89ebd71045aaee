"""The built-in resources this server holds, as a table; and the two views of an Event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.resource import Resource

RBAC = "rbac.authorization.k8s.io"
ADMISSION = "admissionregistration.k8s.io"

_CORE_TO_NEW = {
    "involvedObject": "regarding", "message": "note", "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp", "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount", "reportingComponent": "reportingController",
}  # fmt: skip
_NEW_TO_CORE = {new: core for core, new in _CORE_TO_NEW.items()}


def _event_to_core(obj: Obj) -> Obj:
    """Return an events.k8s.io/v1 Event as core/v1, the form that is stored."""
    out = {_NEW_TO_CORE.get(key, key): value for key, value in obj.items()} | {"apiVersion": "v1"}
    out.setdefault("involvedObject", {})
    return out


def _event_from_core(obj: Obj) -> Obj:
    out = {_CORE_TO_NEW.get(key, key): value for key, value in obj.items()} | {"apiVersion": "events.k8s.io/v1"}
    return {k: v for k, v in out.items() if v or k not in ("reportingController", "reportingInstance")}


def _core() -> Iterator[Resource]:
    def core(kind: str, plural: str, *short: str, **more: Any) -> Resource:
        return _resource("", kind, plural, *short, **more)

    yield core(
        "Namespace", "namespaces", "ns", namespaced=False, subresources=("status", "finalize"), returns_deleted=True,
        verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
    )  # fmt: skip
    yield core(
        "Pod", "pods", "po", categories=("all",), subresources=("status", "log"), has_generation=True,
        returns_deleted=True,
    )  # fmt: skip
    yield core(
        "Service", "services", "svc", categories=("all",), subresources=("status",), returns_deleted=True,
        create_on_update=True,
    )  # fmt: skip
    yield core("Secret", "secrets")
    yield core("ConfigMap", "configmaps", "cm")
    yield core("ServiceAccount", "serviceaccounts", "sa", subresources=("token",), returns_deleted=True)
    yield core("Event", "events", "ev", create_on_update=True)
    yield core("PersistentVolumeClaim", "persistentvolumeclaims", "pvc", subresources=("status",), returns_deleted=True)
    yield core("Node", "nodes", "no", namespaced=False, subresources=("status",))


def _others() -> Iterator[Resource]:
    workload: dict[str, Any] = {"categories": ("all",), "subresources": ("status",), "has_generation": True}
    yield _resource("batch", "Job", "jobs", **workload)
    yield _resource("apps", "Deployment", "deployments", "deploy", **workload)
    yield _resource(
        "coordination.k8s.io", "Lease", "leases", create_on_update=True, unconditional_update=False
    )  # fmt: skip
    yield _resource(
        "events.k8s.io", "Event", "events", "ev", storage="events", create_on_update=True, to_storage=_event_to_core,
        from_storage=_event_from_core,
    )  # fmt: skip
    yield _resource("networking.k8s.io", "NetworkPolicy", "networkpolicies", "netpol", has_generation=True)
    yield _resource(
        "policy", "PodDisruptionBudget", "poddisruptionbudgets", "pdb", subresources=("status",), has_generation=True,
        unconditional_update=False,
    )  # fmt: skip
    yield _resource(
        "apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", "crd", "crds",
        namespaced=False, subresources=("status",), has_generation=True, unconditional_update=False,
    )  # fmt: skip
    for kind, plural, namespaced in (
        ("ClusterRole", "clusterroles", False), ("ClusterRoleBinding", "clusterrolebindings", False),
        ("Role", "roles", True), ("RoleBinding", "rolebindings", True),
    ):  # fmt: skip
        yield _resource(RBAC, kind, plural, namespaced=namespaced, create_on_update=True)
    for kind, plural in (
        ("ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
        ("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
    ):
        yield _resource(ADMISSION, kind, plural, namespaced=False, has_generation=True)
    yield _resource(
        "authorization.k8s.io", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False,
        verbs=("create",), virtual=True,
    )  # fmt: skip


def _resource(group: str, kind: str, plural: str, *short: str, namespaced: bool = True, **more: Any) -> Resource:
    return Resource(
        group=group, version="v1", kind=kind, plural=plural, singular=kind.lower(), short_names=short,
        namespaced=namespaced, **more,
    )  # fmt: skip


def builtin_resources() -> list[Resource]:
    """Return every built-in resource."""
    return [*_core(), *_others()]

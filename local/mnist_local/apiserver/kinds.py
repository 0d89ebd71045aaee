"""The kinds: built-in ones as a table, custom ones from their definitions, and what each does beyond the generic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.schema import Schema, StructuralSchema, builtin_schema
from mnist_local.apiserver.schema.errors import FieldError


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a kind does beyond the generic.

    `default` fills in what a client may leave out, on decode; `prepare_create` and `prepare_update` set what the
    server owns; `validate(obj, old)` returns broken rules; `grace_period(obj, requested)` returns the seconds a
    deletion waits; `begin_delete` marks an object at its first delete and returns finalizers to add;
    `keeps_on_delete` tells that something other than finalizers holds the object.
    """

    default: Callable[[Obj], None] = lambda obj: None
    prepare_create: Callable[[Obj], None] = lambda obj: None
    prepare_update: Callable[[Obj, Obj], None] = lambda obj, old: None
    validate: Callable[[Obj, Obj | None], list[FieldError]] = lambda obj, old: []
    grace_period: Callable[[Obj, int | None], int] = lambda obj, requested: 0
    begin_delete: Callable[[Obj], list[str]] = lambda obj: []
    keeps_on_delete: Callable[[Obj], bool] = lambda obj: False
    default_propagation: str | None = None


_GENERIC = Hooks()
HOOKS: dict[str, Hooks] = {}


def hooks_of(resource: Resource) -> Hooks:
    """Return the hooks of a resource, those of its table."""
    return HOOKS.get(resource.table_name, _GENERIC)


def schema_for(resource: Resource) -> Schema:
    """Return the schema of a resource's objects: a custom one's from its definition, else that of the built-in kind."""
    schema = resource.schema or builtin_schema(resource.group, resource.version, resource.kind)
    assert schema is not None, f"no type is known for {resource.kind}"
    return schema


DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


def schema_of(version: Obj) -> StructuralSchema:
    """Return the compiled schema of a definition's version; compiled once however often it is asked for.

    Raises:
        SchemaError: it has errors.
    """
    return _compile(orjson.dumps(version["schema"]["openAPIV3Schema"]))


@lru_cache(maxsize=64)
def _compile(source: bytes) -> StructuralSchema:
    return StructuralSchema.compile(orjson.loads(source))


def resource_of(crd: Obj) -> Resource:
    """Return the resource of a definition, at its one version."""
    spec, names, version = crd["spec"], crd["spec"]["names"], crd["spec"]["versions"][0]
    sub = version.get("subresources") or {}
    return Resource(
        group=spec["group"],
        version=version["name"],
        kind=names["kind"],
        plural=names["plural"],
        singular=names.get("singular", ""),
        list_kind=names.get("listKind", ""),
        namespaced=spec.get("scope") == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=tuple(key for key in ("scale", "status") if key in sub),
        custom=True,
        has_generation=True,
        unconditional_update=False,
        schema=schema_of(version),
        openapi=version["schema"]["openAPIV3Schema"],
        columns=tuple(version.get("additionalPrinterColumns") or ()),
        scale=sub.get("scale") or {},
    )


RBAC = "rbac.authorization.k8s.io"
ADMISSION = "admissionregistration.k8s.io"

_CORE_TO_NEW = {
    "involvedObject": "regarding", "message": "note", "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp", "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount", "reportingComponent": "reportingController",
}  # fmt: skip
_NEW_TO_CORE = {new: core for core, new in _CORE_TO_NEW.items()}


def _event_to_core(obj: Obj) -> Obj:
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

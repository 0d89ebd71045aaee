"""The built-in resources this server holds, as a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mnist_local.apiserver import eventviews
from mnist_local.apiserver.resource import Resource

_CREATE_ONLY = ("create",)


def _core() -> Iterator[Resource]:
    def core(kind: str, plural: str, **more: Any) -> Resource:
        return _resource("", "v1", kind, plural, **more)

    yield core(
        "Namespace", "namespaces", namespaced=False, short_names=("ns",), subresources=("status", "finalize"),
        verbs=("create", "delete", "get", "list", "patch", "update", "watch"), returns_deleted=True,
    )  # fmt: skip
    yield core(
        "Pod", "pods", short_names=("po",), categories=("all",), has_generation=True, returns_deleted=True,
        subresources=("status", "log", "eviction", "binding", "ephemeralcontainers"),
    )  # fmt: skip
    yield core(
        "Service", "services", short_names=("svc",), categories=("all",), subresources=("status",),
        returns_deleted=True, create_on_update=True,
    )  # fmt: skip
    yield core("Endpoints", "endpoints", singular="endpoints", short_names=("ep",), create_on_update=True)
    yield core("Secret", "secrets")
    yield core("ConfigMap", "configmaps", short_names=("cm",))
    yield core("ServiceAccount", "serviceaccounts", short_names=("sa",), subresources=("token",), returns_deleted=True)
    yield core("Event", "events", short_names=("ev",), create_on_update=True)
    yield core(
        "ResourceQuota", "resourcequotas", short_names=("quota",), subresources=("status",), returns_deleted=True
    )
    yield core("LimitRange", "limitranges", short_names=("limits",), create_on_update=True)
    yield core(
        "PersistentVolumeClaim", "persistentvolumeclaims", short_names=("pvc",), subresources=("status",),
        returns_deleted=True,
    )  # fmt: skip
    yield core("Node", "nodes", namespaced=False, short_names=("no",), subresources=("status",))


def _workloads() -> Iterator[Resource]:
    yield _resource("batch", "v1", "Job", "jobs", categories=("all",), subresources=("status",), has_generation=True)
    for kind, plural, short in (
        ("Deployment", "deployments", "deploy"),
        ("ReplicaSet", "replicasets", "rs"),
        ("StatefulSet", "statefulsets", "sts"),
        ("DaemonSet", "daemonsets", "ds"),
    ):
        yield _resource(
            "apps", "v1", kind, plural, short_names=(short,), categories=("all",), subresources=("status",),
            has_generation=True,
        )  # fmt: skip


def _access() -> Iterator[Resource]:
    rbac = "rbac.authorization.k8s.io"
    yield _resource(rbac, "v1", "ClusterRole", "clusterroles", namespaced=False, create_on_update=True)
    yield _resource(rbac, "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False, create_on_update=True)
    yield _resource(rbac, "v1", "Role", "roles", create_on_update=True)
    yield _resource(rbac, "v1", "RoleBinding", "rolebindings", create_on_update=True)
    for group, kind, plural, namespaced in (
        ("authorization.k8s.io", "SelfSubjectAccessReview", "selfsubjectaccessreviews", False),
        ("authorization.k8s.io", "SubjectAccessReview", "subjectaccessreviews", False),
        ("authorization.k8s.io", "LocalSubjectAccessReview", "localsubjectaccessreviews", True),
        ("authorization.k8s.io", "SelfSubjectRulesReview", "selfsubjectrulesreviews", False),
        ("authentication.k8s.io", "SelfSubjectReview", "selfsubjectreviews", False),
        ("authentication.k8s.io", "TokenReview", "tokenreviews", False),
    ):
        yield _resource(group, "v1", kind, plural, namespaced=namespaced, verbs=_CREATE_ONLY, virtual=True)


def _others() -> Iterator[Resource]:
    yield _resource("coordination.k8s.io", "v1", "Lease", "leases", create_on_update=True, unconditional_update=False)
    yield _resource(
        "events.k8s.io", "v1", "Event", "events", short_names=("ev",), storage="events", create_on_update=True,
        to_storage=eventviews.to_core, from_storage=eventviews.from_core,
    )  # fmt: skip
    yield _resource(
        "networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", singular="networkpolicy",
        short_names=("netpol",), has_generation=True,
    )  # fmt: skip
    yield _resource(
        "policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", short_names=("pdb",),
        subresources=("status",), has_generation=True, unconditional_update=False,
    )  # fmt: skip
    admission = "admissionregistration.k8s.io"
    for kind, plural, singular, status in (
        ("ValidatingAdmissionPolicy", "validatingadmissionpolicies", "validatingadmissionpolicy", ("status",)),
        ("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", "", ()),
        ("ValidatingWebhookConfiguration", "validatingwebhookconfigurations", "", ()),
        ("MutatingWebhookConfiguration", "mutatingwebhookconfigurations", "", ()),
    ):
        yield _resource(
            admission, "v1", kind, plural, singular=singular, namespaced=False, subresources=status,
            has_generation=True,
        )  # fmt: skip
    yield _resource(
        "scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", singular="priorityclass", namespaced=False,
        short_names=("pc",), has_generation=True,
    )  # fmt: skip
    yield _resource(
        "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False,
        short_names=("crd", "crds"), categories=("api-extensions",), subresources=("status",),
        has_generation=True, unconditional_update=False,
    )  # fmt: skip


def _resource(group: str, version: str, kind: str, plural: str, *, singular: str = "", **more: Any) -> Resource:
    more.setdefault("namespaced", True)
    return Resource(group=group, version=version, kind=kind, plural=plural, singular=singular or kind.lower(), **more)


def builtin_resources() -> list[Resource]:
    """Return every built-in resource, in the order discovery lists them."""
    return [*_core(), *_workloads(), *_access(), *_others()]

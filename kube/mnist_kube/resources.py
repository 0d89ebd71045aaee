"""Where each kind that this project touches lives in the API: the one table of kinds and plurals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True)
class Resource:
    """A resource of the API. Its paths are what the verbs of `KubeApi` take."""

    api_version: str
    plural: str
    kind: str

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """Return the path of a collection, an object or a subresource.

        For example /apis/ray.io/v1/namespaces/default/rayjobs/mnist-1/status. Without a namespace it is the collection
        in all namespaces, or an object that has no namespace.
        """
        parts = ["", "apis" if "/" in self.api_version else "api", self.api_version]
        if namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name is not None:
            parts.append(quote(name, safe=""))
        if subresource is not None:
            parts.append(subresource)
        return "/".join(parts)

    def path_to(self, obj: Mapping[str, Any], subresource: str | None = None) -> str:
        """Return the path of this very object, or of its subresource."""
        metadata = obj["metadata"]
        return self.path(metadata.get("namespace"), metadata["name"], subresource)


CONFIGMAPS = Resource("v1", "configmaps", "ConfigMap")
CORE_EVENTS = Resource("v1", "events", "Event")
CRDS = Resource("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition")
EVENTS = Resource("events.k8s.io/v1", "events", "Event")
JOBS = Resource("batch/v1", "jobs", "Job")
LEASES = Resource("coordination.k8s.io/v1", "leases", "Lease")
NAMESPACES = Resource("v1", "namespaces", "Namespace")
PODS = Resource("v1", "pods", "Pod")
RAYCLUSTERS = Resource("ray.io/v1", "rayclusters", "RayCluster")
RAYJOBS = Resource("ray.io/v1", "rayjobs", "RayJob")
ROLEBINDINGS = Resource("rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding")
ROLES = Resource("rbac.authorization.k8s.io/v1", "roles", "Role")
SECRETS = Resource("v1", "secrets", "Secret")
SERVICEACCOUNTS = Resource("v1", "serviceaccounts", "ServiceAccount")
SERVICES = Resource("v1", "services", "Service")
TRAININGS = Resource("mnist.training/v1alpha1", "mnisttrainings", "MnistTraining")

_TABLE = {
    (resource.api_version, resource.kind): resource
    for resource in (
        CONFIGMAPS, CORE_EVENTS, CRDS, EVENTS, JOBS, LEASES, NAMESPACES, PODS, RAYCLUSTERS, RAYJOBS, ROLEBINDINGS,
        ROLES, SECRETS, SERVICEACCOUNTS, SERVICES, TRAININGS,
    )
}  # fmt: skip


def resource_of(api_version: str, kind: str) -> Resource:
    """Return the resource of a kind. Raises KeyError for one that is not in the table."""
    return _TABLE[api_version, kind]


def path_of(manifest: Mapping[str, Any]) -> str:
    """Return the path of a manifest's object."""
    return resource_of(manifest["apiVersion"], manifest["kind"]).path_to(manifest)


def collection_of(manifest: Mapping[str, Any]) -> str:
    """Return the path that a manifest's object is created at."""
    return resource_of(manifest["apiVersion"], manifest["kind"]).path(manifest["metadata"].get("namespace"))

"""The objects that KubeRay makes beside pods: owner references, head Service, token Secret, submitter Job."""

import base64
import secrets
from typing import Any

from mnist_local.kuberay import constants as k
from mnist_local.kuberay import names
from mnist_local.kuberay.json_types import Json

_DEFAULT_SUBMITTER_RETRIES = 2


def owner_reference(owner: Json) -> Json:
    """Controller reference that also blocks a foreground deletion of the owner."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def auth_secret(cluster: Json) -> Json:
    """Secret with a new random token."""
    name = cluster["metadata"]["name"]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": names.auth_secret(cluster),
            "namespace": cluster["metadata"]["namespace"],
            "labels": {k.CLUSTER_LABEL: name},
            "ownerReferences": [owner_reference(cluster)],
        },
        "type": "Opaque",
        "data": {k.AUTH_TOKEN_KEY: base64.b64encode(secrets.token_urlsafe(32).encode()).decode()},
    }


def head_service(cluster: Json) -> Json:
    """Service in front of the head pod: headless unless another type is asked for."""
    head = cluster["spec"]["headGroupSpec"]
    custom = head.get("headService") or {}
    custom_metadata = custom.get("metadata") or {}
    name = cluster["metadata"]["name"]
    pod_labels = (head["template"].get("metadata") or {}).get("labels") or {}
    selector = {
        k.CLUSTER_LABEL: name,
        k.NODE_TYPE_LABEL: k.HEAD,
        k.IDENTIFIER_LABEL: names.label_value(f"{name}-{k.HEAD}"),
        k.APPLICATION_NAME_LABEL: pod_labels.get(k.APPLICATION_NAME_LABEL, k.APPLICATION_NAME),
        k.CREATED_BY_LABEL: k.COMPONENT_NAME,
    }
    service_type = head.get("serviceType") or (custom.get("spec") or {}).get("type") or "ClusterIP"
    spec: dict[str, Any] = {
        **(custom.get("spec") or {}),
        "selector": selector,
        "type": service_type,
        "ports": [*((custom.get("spec") or {}).get("ports") or []), *_ports(head)],
    }
    if service_type == "ClusterIP" and not custom:
        spec |= {"clusterIP": "None", "publishNotReadyAddresses": True}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": names.head_service(cluster),
            "namespace": cluster["metadata"]["namespace"],
            "labels": {**(custom_metadata.get("labels") or {}), **selector},
            "annotations": {
                **(custom_metadata.get("annotations") or {}),
                **(cluster["spec"].get("headServiceAnnotations") or {}),
            },
            "ownerReferences": [owner_reference(cluster)],
        },
        "spec": spec,
    }


def _ports(head: Json) -> list[Json]:
    """Service ports: those that the head's first container names, completed by Ray's defaults."""
    container = head["template"]["spec"]["containers"][0]
    named = {port["name"]: port["containerPort"] for port in container.get("ports") or [] if port.get("name")}
    ports = {**k.PORTS, **named} if not named else {**named, "metrics": named.get("metrics", k.PORTS["metrics"])}
    return [
        {"name": name, "port": port, "targetPort": port, "protocol": "TCP", "appProtocol": "tcp"}
        for name, port in sorted(ports.items())
    ]


def submitter_job(job: Json, template: Json) -> Json:
    """Batch Job of the RayJob's name that runs the submitter pod."""
    retries = (job["spec"].get("submitterConfig") or {}).get("backoffLimit")
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job["metadata"]["name"],
            "namespace": job["metadata"]["namespace"],
            "labels": origin_labels(job),
            "ownerReferences": [owner_reference(job)],
        },
        "spec": {
            "backoffLimit": _DEFAULT_SUBMITTER_RETRIES if retries is None else retries,
            "template": template,
        },
    }


def origin_labels(job: Json) -> dict[str, str]:
    """Labels of whatever is made for a RayJob."""
    return {
        k.ORIGIN_NAME_LABEL: job["metadata"]["name"],
        k.ORIGIN_KIND_LABEL: "RayJob",
        k.CREATED_BY_LABEL: k.COMPONENT_NAME,
    }

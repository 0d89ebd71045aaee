"""What KubeRay makes beside pods: a cluster's head Service and token Secret, a RayJob's submitter, its submission."""

import base64
import copy
import secrets
import shlex

from mnist_kube.objects import Object, owner_reference
from mnist_local.kuberay import names as k
from mnist_local.kuberay.pods import add_token_variables

_SUBMITTER_RETRIES = 2
_SHELL = ["/bin/bash", "-ce", "--"]
_HEALTH_CHECK = (
    "import urllib.request as u, sys; "
    "sys.exit(b'success' not in u.urlopen('{address}/api/gcs_healthz', timeout=10).read())"
)


def auth_secret(cluster: Object) -> Object:
    """Return the Secret with a new random token."""
    name = cluster["metadata"]["name"]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": k.auth_secret(cluster),
            "namespace": cluster["metadata"]["namespace"],
            "labels": {k.CLUSTER_LABEL: name},
            "ownerReferences": [owner_reference(cluster)],
        },
        "type": "Opaque",
        "data": {k.AUTH_TOKEN_KEY: base64.b64encode(secrets.token_urlsafe(32).encode()).decode()},
    }


def head_service(cluster: Object) -> Object:
    """Return the Service in front of the head pod: headless unless another type is asked for."""
    head, name = cluster["spec"]["headGroupSpec"], cluster["metadata"]["name"]
    pod_labels = (head["template"].get("metadata") or {}).get("labels") or {}
    selector = {
        k.CLUSTER_LABEL: name,
        k.NODE_TYPE_LABEL: k.HEAD,
        k.IDENTIFIER_LABEL: f"{name}-{k.HEAD}",
        k.APPLICATION_NAME_LABEL: pod_labels.get(k.APPLICATION_NAME_LABEL, k.APPLICATION_NAME),
        k.CREATED_BY_LABEL: k.COMPONENT_NAME,
    }
    service_type = head.get("serviceType") or "ClusterIP"
    headless = {"clusterIP": "None", "publishNotReadyAddresses": True} if service_type == "ClusterIP" else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": k.head_service(cluster),
            "namespace": cluster["metadata"]["namespace"],
            "labels": dict(selector),
            "annotations": dict(cluster["spec"].get("headServiceAnnotations") or {}),
            "ownerReferences": [owner_reference(cluster)],
        },
        "spec": {"selector": selector, "type": service_type, "ports": _ports(head), **headless},
    }


def _ports(head: Object) -> list[Object]:
    """Service ports: those that the head's first container names, else all of Ray's; metrics always."""
    container = head["template"]["spec"]["containers"][0]
    named = {port["name"]: port["containerPort"] for port in container.get("ports") or [] if port.get("name")}
    ports = {"metrics": k.PORTS["metrics"], **named} if named else k.PORTS
    return [
        {"name": name, "port": port, "targetPort": port, "protocol": "TCP", "appProtocol": "tcp"}
        for name, port in sorted(ports.items())
    ]


# --- submission of a RayJob ------------------------------------------------------------------------------------------


def submitter_job(job: Object, cluster: Object) -> Object:
    """Return the batch Job of the RayJob's name that runs the submitter pod; the RayJob has its status already."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job["metadata"]["name"],
            "namespace": job["metadata"]["namespace"],
            "labels": _origin_labels(job),
            "ownerReferences": [owner_reference(job)],
        },
        "spec": {
            "backoffLimit": _SUBMITTER_RETRIES,
            "template": submitter_template(job, cluster),
        },
    }


def submitter_template(job: Object, cluster: Object) -> Object:
    """Return the template of the submitter pod, completed as KubeRay does."""
    template: Object = copy.deepcopy(job["spec"]["submitterPodTemplate"])
    container = template["spec"]["containers"][0]
    if not container.get("command"):
        container["command"] = _SHELL
        container["args"] = [submitter_script(job)]
    container["env"] = [
        *(container.get("env") or []),
        {"name": "PYTHONUNBUFFERED", "value": "1"},
        {"name": "RAY_DASHBOARD_ADDRESS", "value": job["status"]["dashboardURL"]},
        {"name": "RAY_JOB_SUBMISSION_ID", "value": job["status"]["jobId"]},
    ]
    add_token_variables(container, cluster)
    metadata = template.setdefault("metadata", {})
    metadata["labels"] = {**(metadata.get("labels") or {}), **_origin_labels(job)}
    return template


def _origin_labels(job: Object) -> dict[str, str]:
    return {
        k.ORIGIN_NAME_LABEL: job["metadata"]["name"],
        k.ORIGIN_KIND_LABEL: "RayJob",
        k.CREATED_BY_LABEL: k.COMPONENT_NAME,
    }


def submitter_script(job: Object) -> str:
    """Return the shell script that waits for the head, submits the job unless the head has it, and follows its log.

    As in KubeRay the entrypoint stands in it as it is, so the submitter's shell reads it before the head's does.
    """
    address = f"http://{job['status']['dashboardURL']}"
    job_id = job["status"]["jobId"]
    probe = shlex.join(["python", "-c", _HEALTH_CHECK.format(address=address)])
    submit = ["ray", "job", "submit", "--address", address, "--no-wait"]
    return (
        f"until {probe} >/dev/null 2>&1 ; do echo 'Waiting for the Ray dashboard at {address} ...' ; sleep 2 ; done ; "
        f"if ! ray job status --address {address} {job_id} >/dev/null 2>&1 ; "
        f"then {shlex.join([*submit, '--submission-id', job_id, '--'])} {job['spec'].get('entrypoint', '').strip()} ; "
        f"fi ; ray job logs --address {address} --follow {job_id}"
    )


def submission(job: Object) -> Object:
    """Return the body of POST /api/jobs/ for HTTPMode."""
    return {"entrypoint": job["spec"].get("entrypoint", ""), "submission_id": job["status"]["jobId"]}

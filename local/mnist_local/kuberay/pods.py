"""The head and worker pods of a RayCluster, as KubeRay 1.7 makes them."""

import copy
from typing import Any

from mnist_local.kuberay import constants as k
from mnist_local.kuberay import names, start_params
from mnist_local.kuberay.json_types import Json
from mnist_local.kuberay.objects import owner_reference

_SHELL = ["/bin/bash", "-c", "--"]
_RAISE_FILE_LIMIT = "ulimit -n ${RAY_START_ULIMIT_OPEN_FILES:-65536}"
_FIXED_LABELS = {k.CLUSTER_LABEL, k.NODE_TYPE_LABEL, k.GROUP_LABEL}
_SMALL = {"cpu": "200m", "memory": "256Mi"}


def head_pod(cluster: Json) -> Json:
    """The head pod, with a new random name."""
    group = cluster["spec"]["headGroupSpec"]
    pod = _pod(cluster, group, k.HEAD, k.HEAD_GROUP, names.pod_prefix(cluster["metadata"]["name"], None))
    annotations = pod["metadata"].setdefault("annotations", {})
    annotations |= {k.FT_ENABLED_ANNOTATION: "false", k.KUBERAY_VERSION_ANNOTATION: k.KUBERAY_VERSION}
    _complete(pod, cluster, group, None)
    return pod


def worker_pod(cluster: Json, group: Json, replica_index: int) -> Json:
    """A worker pod of a group, with a new random name."""
    name = group["groupName"]
    pod = _pod(cluster, group, k.WORKER, name, names.pod_prefix(cluster["metadata"]["name"], name))
    pod["metadata"]["labels"][k.REPLICA_INDEX_LABEL] = str(replica_index)
    domain = names.head_service_domain(cluster)
    port = _gcs_port(cluster)
    container = pod["spec"]["containers"][0]
    pod["spec"].setdefault("initContainers", []).append(_wait_for_gcs(container, domain, port))
    _complete(pod, cluster, group, f"{domain}:{port}")
    return pod


def _gcs_port(cluster: Json) -> str:
    return str((cluster["spec"]["headGroupSpec"].get("rayStartParams") or {}).get("port", k.PORTS["gcs-server"]))


def _pod(cluster: Json, group: Json, node_type: str, group_name: str, prefix: str) -> Json:
    template = copy.deepcopy(group["template"])
    metadata: dict[str, Any] = template.get("metadata") or {}
    cluster_name = cluster["metadata"]["name"]
    given = {**(metadata.get("labels") or {}), **(group.get("labels") or {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": prefix + names.suffix(),
            "generateName": prefix,
            "namespace": cluster["metadata"]["namespace"],
            "labels": {
                k.IS_RAY_NODE_LABEL: "yes",
                k.CLUSTER_LABEL: cluster_name,
                k.NODE_TYPE_LABEL: node_type,
                k.GROUP_LABEL: group_name,
                k.IDENTIFIER_LABEL: names.label_value(f"{cluster_name}-{node_type}"),
                k.APPLICATION_NAME_LABEL: k.APPLICATION_NAME,
                k.CREATED_BY_LABEL: k.COMPONENT_NAME,
                **{key: value for key, value in given.items() if key not in _FIXED_LABELS},
            },
            "annotations": dict(metadata.get("annotations") or {}),
            "ownerReferences": [owner_reference(cluster)],
        },
        "spec": template["spec"],
    }


def _complete(pod: Json, cluster: Json, group: Json, gcs_address: str | None) -> None:
    """Command, environment, ports, shared memory and probes of the Ray container, which is the first one."""
    container = pod["spec"]["containers"][0]
    is_head = gcs_address is None
    params = start_params.complete(group, container, gcs_address)
    start = start_params.command(is_head, params)
    _set_command(pod, cluster, container, start)
    ports = container.setdefault("ports", [])
    if not any(port.get("name") == "metrics" for port in ports):
        ports.append({"name": "metrics", "containerPort": k.PORTS["metrics"], "protocol": "TCP"})
    if "plasma-directory" not in params:
        _share_memory(pod, container)
    inits = pod["spec"].get("initContainers") or []
    if (cluster["spec"].get("authOptions") or {}).get("mode") == "token":
        for each in (container, *(init for init in inits if init["name"] == k.WAIT_FOR_GCS)):
            add_token_variables(each, cluster)
    for init in inits:
        init.setdefault("env", []).extend(_service_variables(names.head_service_domain(cluster)))
    _add_variables(container, _ray_variables(cluster, start, is_head))
    _add_probes(container, int(params["dashboard-agent-listen-port"]), is_head)


def _set_command(pod: Json, cluster: Json, container: Json, start: str) -> None:
    annotations = cluster["metadata"].get("annotations") or {}
    if annotations.get(k.OVERWRITE_COMMAND_ANNOTATION, "").lower() == "true":
        pod["metadata"]["annotations"][k.OVERWRITE_COMMAND_ANNOTATION] = "true"
        return
    before = " ".join([*(container.get("command") or []), *(container.get("args") or [])])
    generated = f"{_RAISE_FILE_LIMIT}; {start}"
    container["command"] = _SHELL
    container["args"] = [f"{before} && {generated}" if before else generated]


def _share_memory(pod: Json, container: Json) -> None:
    mounts = container.setdefault("volumeMounts", [])
    if any(mount["mountPath"] == "/dev/shm" for mount in mounts):
        return
    volumes = pod["spec"].setdefault("volumes", [])
    if not any(volume["name"] == k.SHARED_MEMORY_VOLUME for volume in volumes):
        resources = container.get("resources") or {}
        limit = (resources.get("limits") or {}).get("memory") or (resources.get("requests") or {}).get("memory")
        source = {"medium": "Memory", **({"sizeLimit": limit} if limit else {})}
        volumes.append({"name": k.SHARED_MEMORY_VOLUME, "emptyDir": source})
    mounts.append({"name": k.SHARED_MEMORY_VOLUME, "mountPath": "/dev/shm"})


def _field(path: str) -> Json:
    return {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}


def _service_variables(domain: str) -> list[Json]:
    return [{"name": "FQ_RAY_IP", "value": domain}, {"name": "RAY_IP", "value": domain.split(".")[0]}]


def _ray_variables(cluster: Json, start: str, is_head: bool) -> list[Json]:
    domain, port = names.head_service_domain(cluster), _gcs_port(cluster)
    variables: list[Json] = [] if is_head else _service_variables(domain)
    variables += [
        {"name": "RAY_CLUSTER_NAME", "valueFrom": _field(f"metadata.labels['{k.CLUSTER_LABEL}']")},
        {"name": "RAY_CLUSTER_NAMESPACE", "valueFrom": _field("metadata.namespace")},
        {"name": "RAY_CLOUD_INSTANCE_ID", "valueFrom": _field("metadata.name")},
        {"name": "RAY_NODE_TYPE_NAME", "valueFrom": _field(f"metadata.labels['{k.GROUP_LABEL}']")},
        {"name": k.START_COMMAND_VARIABLE, "value": start},
        {"name": "RAY_PORT", "value": port},
        {"name": "RAY_ADDRESS", "value": f"{'127.0.0.1' if is_head else domain}:{port}"},
        {"name": "RAY_USAGE_STATS_KUBERAY_IN_USE", "value": "1"},
    ]
    if is_head:
        tags = f"kuberay_version={k.KUBERAY_VERSION};kuberay_crd=RayCluster"
        variables.append({"name": "RAY_USAGE_STATS_EXTRA_TAGS", "value": tags})
    return [*variables, {"name": "RAY_DASHBOARD_ENABLE_K8S_DISK_USAGE", "value": "1"}]


def _add_variables(container: Json, variables: list[Json]) -> None:
    """Append the variables that the template does not set itself."""
    present = {entry["name"] for entry in container.setdefault("env", [])}
    container["env"] += [entry for entry in variables if entry["name"] not in present]


def add_token_variables(container: Json, cluster: Json) -> None:
    """Ray's token authentication in a container's environment."""
    reference = {"name": names.auth_secret(cluster), "key": k.AUTH_TOKEN_KEY}
    token = {"name": "RAY_AUTH_TOKEN", "valueFrom": {"secretKeyRef": reference}}
    _add_variables(container, [{"name": "RAY_AUTH_MODE", "value": "token"}, token])


def _add_probes(container: Json, port: int, is_head: bool) -> None:
    check = {"path": "/api/healthz", "port": port, "scheme": "HTTP"}
    common = {"httpGet": check, "timeoutSeconds": 5 if is_head else 2, "periodSeconds": 5, "successThreshold": 1}
    container.setdefault("readinessProbe", {**common, "initialDelaySeconds": 10, "failureThreshold": 10})
    container.setdefault("livenessProbe", {**common, "initialDelaySeconds": 30, "failureThreshold": 120})


def _wait_for_gcs(ray_container: Json, domain: str, port: str) -> Json:
    """Init container that holds a worker back until the head answers (the local kubelet waits in its place)."""
    copied = ("image", "imagePullPolicy", "securityContext", "env", "volumeMounts")
    return {
        "name": k.WAIT_FOR_GCS,
        **{key: copy.deepcopy(ray_container[key]) for key in copied if key in ray_container},
        "command": _SHELL,
        "args": [f"until ray health-check --address {domain}:{port} > /dev/null 2>&1; do sleep 5; done"],
        "resources": {"limits": dict(_SMALL), "requests": dict(_SMALL)},
    }

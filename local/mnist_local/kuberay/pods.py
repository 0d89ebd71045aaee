"""The head and worker pods of a RayCluster, as KubeRay 1.7 makes them from its templates.

A pod is the group's template with KubeRay's labels and owner, a `ray start` command made from rayStartParams and the
container's resources, Ray's variables, probes and shared memory; a worker also waits for the GCS in an init container.
"""

import copy

from mnist_kube.objects import Object, owner_reference
from mnist_kube.quantity import parse_quantity, round_up
from mnist_local.kuberay import names as k

_SHELL = ["/bin/bash", "-c", "--"]
_RAISE_FILE_LIMIT = "ulimit -n ${RAY_START_ULIMIT_OPEN_FILES:-65536}"
_FIXED_LABELS = {k.CLUSTER_LABEL, k.NODE_TYPE_LABEL, k.GROUP_LABEL}
_SMALL = {"cpu": "200m", "memory": "256Mi"}
_EXPLICIT_BOOLEANS = {"log-color", "include-dashboard", "include-log-monitor"}


def head_pod(cluster: Object) -> Object:
    """Return the head pod, with a new random name."""
    group = cluster["spec"]["headGroupSpec"]
    pod = _pod(cluster, group, k.HEAD, k.HEAD_GROUP, k.pod_prefix(cluster["metadata"]["name"], None))
    pod["metadata"]["annotations"] |= {
        k.FT_ENABLED_ANNOTATION: "false",
        k.KUBERAY_VERSION_ANNOTATION: k.KUBERAY_VERSION,
    }
    return _completed(pod, cluster, group, None)


def worker_pod(cluster: Object, group: Object, replica_index: int) -> Object:
    """Return a worker pod of a group, with a new random name."""
    name = group["groupName"]
    pod = _pod(cluster, group, k.WORKER, name, k.pod_prefix(cluster["metadata"]["name"], name))
    pod["metadata"]["labels"][k.REPLICA_INDEX_LABEL] = str(replica_index)
    gcs = f"{k.head_service_domain(cluster)}:{_gcs_port(cluster)}"
    container = pod["spec"]["containers"][0]
    pod["spec"].setdefault("initContainers", []).append(_wait_for_gcs(container, gcs))
    return _completed(pod, cluster, group, gcs)


def add_token_variables(container: Object, cluster: Object) -> None:
    """Add Ray's token authentication to a container's environment, where the cluster asks for it."""
    if k.uses_token(cluster):
        reference = {"name": k.auth_secret(cluster), "key": k.AUTH_TOKEN_KEY}
        token = {"name": "RAY_AUTH_TOKEN", "valueFrom": {"secretKeyRef": reference}}
        _add_variables(container, [{"name": "RAY_AUTH_MODE", "value": "token"}, token])


def _gcs_port(cluster: Object) -> str:
    return str((cluster["spec"]["headGroupSpec"].get("rayStartParams") or {}).get("port", k.PORTS["gcs-server"]))


def _pod(cluster: Object, group: Object, node_type: str, group_name: str, prefix: str) -> Object:
    template = copy.deepcopy(group["template"])
    metadata: Object = template.get("metadata") or {}
    cluster_name = cluster["metadata"]["name"]
    given = metadata.get("labels") or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": prefix + k.suffix(),
            "generateName": prefix,
            "namespace": cluster["metadata"]["namespace"],
            "labels": {
                k.IS_RAY_NODE_LABEL: "yes",
                k.CLUSTER_LABEL: cluster_name,
                k.NODE_TYPE_LABEL: node_type,
                k.GROUP_LABEL: group_name,
                k.IDENTIFIER_LABEL: f"{cluster_name}-{node_type}",
                k.APPLICATION_NAME_LABEL: k.APPLICATION_NAME,
                k.CREATED_BY_LABEL: k.COMPONENT_NAME,
                **{key: value for key, value in given.items() if key not in _FIXED_LABELS},
            },
            "annotations": dict(metadata.get("annotations") or {}),
            "ownerReferences": [owner_reference(cluster)],
        },
        "spec": template["spec"],
    }


def _completed(pod: Object, cluster: Object, group: Object, gcs: str | None) -> Object:
    """The pod with command, environment, ports, shared memory and probes of its Ray container, the first one."""
    container = pod["spec"]["containers"][0]
    is_head = gcs is None
    params = start_params(group, container, gcs)
    start = start_command(is_head, params)
    before = " ".join([*(container.get("command") or []), *(container.get("args") or [])])
    generated = f"{_RAISE_FILE_LIMIT}; {start}"
    container |= {"command": _SHELL, "args": [f"{before} && {generated}" if before else generated]}
    ports = container.setdefault("ports", [])
    if not any(port.get("name") == "metrics" for port in ports):
        ports.append({"name": "metrics", "containerPort": k.PORTS["metrics"], "protocol": "TCP"})
    _share_memory(pod, container)
    inits = pod["spec"].get("initContainers") or []
    for each in (container, *(init for init in inits if init["name"] == k.WAIT_FOR_GCS)):
        add_token_variables(each, cluster)
    for init in inits:
        init.setdefault("env", []).extend(_service_variables(k.head_service_domain(cluster)))
    _add_variables(container, _ray_variables(cluster, start, is_head))
    _add_probes(container, int(params["dashboard-agent-listen-port"]), is_head)
    return pod


def start_params(group: Object, container: Object, gcs: str | None) -> dict[str, str]:
    """Return the rayStartParams of a group with all that KubeRay adds; `gcs` is None for the head.

    An explicit parameter wins over what the container's resources say.
    """
    params: dict[str, str] = dict(group.get("rayStartParams") or {})
    if gcs is None:
        params.setdefault("dashboard-host", "0.0.0.0")
    else:
        params.setdefault("address", gcs)
    params.setdefault("metrics-export-port", str(k.PORTS["metrics"]))
    params.setdefault("dashboard-agent-listen-port", str(k.DASHBOARD_AGENT_PORT))
    params["block"] = "true"
    resources = container.get("resources") or {}
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    cpu = next((found for found in (limits.get("cpu"), requests.get("cpu")) if found and parse_quantity(found)), None)
    if cpu is not None:
        params.setdefault("num-cpus", str(round_up(cpu)))
    for resource in sorted(limits):
        param = "memory" if resource == "memory" else "num-gpus" if resource.endswith("gpu") else None
        if param and parse_quantity(limits[resource]):
            params.setdefault(param, str(round_up(limits[resource])))
    return params


def start_command(is_head: bool, params: dict[str, str]) -> str:
    """Return the shell command: booleans are bare flags (or nothing when false), all else is `--name=value`."""
    words = ["ray", "start"] + (["--head"] if is_head else [])
    for name, value in sorted(params.items()):
        if value.lower() not in {"true", "false"} or name in _EXPLICIT_BOOLEANS:
            words.append(f"--{name}={value}")
        elif value.lower() == "true":
            words.append(f"--{name}")
    return " ".join(words)


def _share_memory(pod: Object, container: Object) -> None:
    mounts = container.setdefault("volumeMounts", [])
    if any(mount["mountPath"] == "/dev/shm" for mount in mounts):
        return
    resources = container.get("resources") or {}
    limit = (resources.get("limits") or {}).get("memory") or (resources.get("requests") or {}).get("memory")
    source = {"medium": "Memory", **({"sizeLimit": limit} if limit else {})}
    pod["spec"].setdefault("volumes", []).append({"name": k.SHARED_MEMORY_VOLUME, "emptyDir": source})
    mounts.append({"name": k.SHARED_MEMORY_VOLUME, "mountPath": "/dev/shm"})


def _field(path: str) -> Object:
    return {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}


def _service_variables(domain: str) -> list[Object]:
    return [{"name": "FQ_RAY_IP", "value": domain}, {"name": "RAY_IP", "value": domain.split(".")[0]}]


def _ray_variables(cluster: Object, start: str, is_head: bool) -> list[Object]:
    domain, port = k.head_service_domain(cluster), _gcs_port(cluster)
    variables: list[Object] = [] if is_head else _service_variables(domain)
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


def _add_variables(container: Object, variables: list[Object]) -> None:
    present = {entry["name"] for entry in container.setdefault("env", [])}  # what the template sets itself, stays
    container["env"] += [entry for entry in variables if entry["name"] not in present]


def _add_probes(container: Object, port: int, is_head: bool) -> None:
    check = {"path": "/api/healthz", "port": port, "scheme": "HTTP"}
    common = {"httpGet": check, "timeoutSeconds": 5 if is_head else 2, "periodSeconds": 5, "successThreshold": 1}
    container.setdefault("readinessProbe", {**common, "initialDelaySeconds": 10, "failureThreshold": 10})
    container.setdefault("livenessProbe", {**common, "initialDelaySeconds": 30, "failureThreshold": 120})


def _wait_for_gcs(ray_container: Object, gcs: str) -> Object:
    """Init container that holds a worker back until the head answers (the local kubelet waits in its place)."""
    copied = ("image", "imagePullPolicy", "securityContext", "env", "volumeMounts")
    return {
        "name": k.WAIT_FOR_GCS,
        **{key: copy.deepcopy(ray_container[key]) for key in copied if key in ray_container},
        "command": _SHELL,
        "args": [f"until ray health-check --address {gcs} > /dev/null 2>&1; do sleep 5; done"],
        "resources": {"limits": dict(_SMALL), "requests": dict(_SMALL)},
    }

"""Columns of the built-in kinds, as `kubectl get` shows them on a real cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.tables import pods
from mnist_local.apiserver.tables.duration import UNKNOWN, between, human, since

Cell = Callable[[Obj], Any]
NONE = "<none>"


@dataclass(frozen=True, slots=True)
class Printer:
    """The columns of a kind, and the function that fills a row."""

    definitions: list[Obj]
    cells: Callable[[Obj], list[Any]]


def _printer(*columns: tuple[str, Cell] | tuple[str, Cell, str] | tuple[str, Cell, str, int]) -> Printer:
    """Make a printer from (title, cell[, type[, priority]]); the column `Name` is the one with format name."""
    definitions: list[Obj] = []
    for title, _, *rest in columns:
        kind = rest[0] if rest else "string"
        priority = rest[1] if len(rest) > 1 else 0
        definitions.append(
            {
                "name": title,
                "type": kind,
                "format": "name" if title == "Name" else "",
                "description": "",
                "priority": priority,
            }
        )
    fill = [column[1] for column in columns]
    return Printer(definitions, lambda obj: [cell(obj) for cell in fill])


def _at(path: str, default: Any = "") -> Cell:
    parts = path.split(".")

    def cell(obj: Obj) -> Any:
        value: Any = obj
        for part in parts:
            value = value.get(part) if isinstance(value, dict) else None
        return default if value is None else value

    return cell


def _size(path: str) -> Cell:
    at = _at(path, ())
    return lambda obj: len(at(obj))


def _pairs(labels: Any) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


def _selector(path: str) -> Cell:
    at = _at(path, {})

    def cell(obj: Obj) -> str:
        selector = at(obj)
        terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
        for term in selector.get("matchExpressions") or ():
            values = f"({','.join(sorted(term.get('values') or ()))})"
            shown = {
                "In": f"{term['key']} in {values}",
                "NotIn": f"{term['key']} notin {values}",
                "Exists": term["key"],
                "DoesNotExist": f"!{term['key']}",
            }
            terms.append(shown.get(term["operator"], term["key"]))
        return ",".join(terms) or NONE

    return cell


def _containers(part: str) -> Cell:
    at = _at("spec.template.spec.containers", ())
    return lambda obj: ",".join(container.get(part, "") for container in at(obj))


_name = _at("metadata.name")


def _age(obj: Obj) -> str:
    return since(obj["metadata"].get("creationTimestamp"))


def _ports(obj: Obj) -> str:
    shown = []
    for port in obj["spec"].get("ports") or ():
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        shown.append(f"{port.get('port')}{node}/{port.get('protocol', 'TCP')}")
    return ",".join(shown) or NONE


def _external(obj: Obj) -> str:
    spec = obj["spec"]
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", ""))
    addresses = spec.get("externalIPs") or []
    if spec.get("type") == "LoadBalancer":
        ingress = (obj.get("status", {}).get("loadBalancer") or {}).get("ingress") or ()
        addresses = [*(one.get("ip") or one.get("hostname", "") for one in ingress), *addresses]
        return ",".join(addresses) or "<pending>"
    return ",".join(addresses) or NONE


def _endpoints(obj: Obj) -> str:
    found: list[str] = []
    for subset in obj.get("subsets") or ():
        for port in subset.get("ports") or ():
            found += [f"{address['ip']}:{port['port']}" for address in subset.get("addresses") or ()]
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return ",".join(found[:3]) + more or NONE


def _event_times(obj: Obj) -> tuple[str, str]:
    first = obj.get("firstTimestamp") or obj.get("eventTime")
    series = obj.get("series") or {}
    last = series.get("lastObservedTime") or obj.get("lastTimestamp") or first
    return since(first), since(last)


def _event_source(obj: Obj) -> str:
    source = obj.get("source") or {}
    component = source.get("component") or obj.get("reportingComponent") or ""
    host = source.get("host") or obj.get("reportingInstance") or ""
    return f"{component}, {host}" if host else component


def _event_object(obj: Obj) -> str:
    about = obj.get("involvedObject") or {}
    return f"{about.get('kind', '').lower()}/{about.get('name', '')}"


def _event_count(obj: Obj) -> int:
    return int((obj.get("series") or {}).get("count") or obj.get("count") or 1)


def _job_status(obj: Obj) -> str:
    conditions = {c["type"] for c in obj.get("status", {}).get("conditions") or () if c.get("status") == "True"}
    for kind in ("Complete", "Failed"):
        if kind in conditions:
            return kind
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for kind in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if kind in conditions:
            return kind
    return "Running"


def _job_completions(obj: Obj) -> str:
    spec, done = obj["spec"], obj.get("status", {}).get("succeeded") or 0
    if spec.get("completions") is not None:
        return f"{done}/{spec['completions']}"
    parallelism = spec.get("parallelism") or 0
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def _job_duration(obj: Obj) -> str:
    status = obj.get("status", {})
    start = status.get("startTime")
    if not start:
        return ""
    seconds = between(start, status.get("completionTime"))
    return since(start) if seconds is None else human(seconds)


def _deployment_ready(obj: Obj) -> str:
    return f"{obj.get('status', {}).get('readyReplicas') or 0}/{obj['spec'].get('replicas', 1)}"


def _quota(part: str) -> Cell:
    limits = ("limits.cpu", "limits.memory", "limits.ephemeral-storage")

    def cell(obj: Obj) -> str:
        status = obj.get("status", {})
        hard, used = status.get("hard") or obj.get("spec", {}).get("hard") or {}, status.get("used") or {}
        keys = [key for key in sorted(hard) if (key in limits) == (part == "limits")]
        return ", ".join(f"{key}: {used.get(key, '0')}/{hard[key]}" for key in keys)

    return cell


def _subjects(kind: str) -> Cell:
    def cell(obj: Obj) -> str:
        shown = []
        for subject in obj.get("subjects") or ():
            if subject.get("kind") == kind:
                place = f"{subject.get('namespace', '')}/" if kind == "ServiceAccount" else ""
                shown.append(place + subject["name"])
        return ", ".join(shown)

    return cell


def _role_ref(obj: Obj) -> str:
    return f"{obj['roleRef']['kind']}/{obj['roleRef']['name']}"


def _node_status(obj: Obj) -> str:
    ready = next((c for c in obj.get("status", {}).get("conditions") or () if c["type"] == "Ready"), None)
    shown = "Unknown" if ready is None else "Ready" if ready["status"] == "True" else "NotReady"
    return shown + (",SchedulingDisabled" if obj.get("spec", {}).get("unschedulable") else "")


def _node_roles(obj: Obj) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = obj["metadata"].get("labels") or {}
    return ",".join(sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix))) or NONE


def _node_address(kind: str) -> Cell:
    def cell(obj: Obj) -> str:
        for address in obj.get("status", {}).get("addresses") or ():
            if address["type"] == kind:
                return str(address["address"])
        return NONE

    return cell


def _param(path: str) -> Cell:
    at = _at(path, None)

    def cell(obj: Obj) -> str:
        found = at(obj)
        if not found:
            return "<unset>"
        if "kind" in found:
            return f"{found.get('apiVersion', '')}/{found['kind']}"
        return f"{found.get('namespace', '*')}/{found.get('name', '*')}"

    return cell


_BINDING = _printer(
    ("Name", _name), ("Role", _role_ref), ("Age", _age), ("Users", _subjects("User"), "string", 1),
    ("Groups", _subjects("Group"), "string", 1), ("ServiceAccounts", _subjects("ServiceAccount"), "string", 1),
)  # fmt: skip
_WORKLOAD = (
    ("Containers", _containers("name"), "string", 1),
    ("Images", _containers("image"), "string", 1),
    ("Selector", _selector("spec.selector"), "string", 1),
)
_WEBHOOKS = _printer(("Name", _name), ("Webhooks", _size("webhooks"), "integer"), ("Age", _age))

PRINTERS: dict[str, Printer] = {
    "namespaces": _printer(("Name", _name), ("Status", _at("status.phase")), ("Age", _age)),
    "pods": _printer(
        ("Name", _name), ("Ready", pods.ready), ("Status", pods.status), ("Restarts", pods.restarts), ("Age", _age),
        ("IP", pods.ip, "string", 1), ("Node", _at("spec.nodeName", NONE), "string", 1),
        ("Nominated Node", _at("status.nominatedNodeName", NONE), "string", 1),
        ("Readiness Gates", pods.readiness_gates, "string", 1),
    ),
    "services": _printer(
        ("Name", _name), ("Type", _at("spec.type")), ("Cluster-IP", _at("spec.clusterIP", NONE)),
        ("External-IP", _external), ("Port(s)", _ports), ("Age", _age),
        ("Selector", lambda obj: _pairs(obj["spec"].get("selector")), "string", 1),
    ),
    "endpoints": _printer(("Name", _name), ("Endpoints", _endpoints), ("Age", _age)),
    "secrets": _printer(("Name", _name), ("Type", _at("type")), ("Data", _size("data")), ("Age", _age)),
    "configmaps": _printer(
        ("Name", _name), ("Data", lambda obj: len(obj.get("data") or ()) + len(obj.get("binaryData") or ())),
        ("Age", _age),
    ),
    "serviceaccounts": _printer(("Name", _name), ("Age", _age)),
    "events": _printer(
        ("Last Seen", lambda obj: _event_times(obj)[1]), ("Type", _at("type")), ("Reason", _at("reason")),
        ("Object", _event_object), ("Subobject", _at("involvedObject.fieldPath"), "string", 1),
        ("Source", _event_source, "string", 1), ("Message", lambda obj: str(obj.get("message", "")).strip()),
        ("First Seen", lambda obj: _event_times(obj)[0], "string", 1), ("Count", _event_count, "string", 1),
        ("Name", _name, "string", 1),
    ),
    "resourcequotas": _printer(
        ("Name", _name), ("Request", _quota("requests")), ("Limit", _quota("limits")), ("Age", _age)
    ),
    "persistentvolumeclaims": _printer(
        ("Name", _name), ("Status", _at("status.phase")), ("Volume", _at("spec.volumeName")),
        ("Capacity", _at("status.capacity.storage")),
        ("Access Modes", lambda obj: ",".join(obj.get("status", {}).get("accessModes") or ())),
        ("StorageClass", _at("spec.storageClassName")),
        ("VolumeAttributesClass", _at("spec.volumeAttributesClassName", "<unset>")), ("Age", _age),
        ("VolumeMode", _at("spec.volumeMode", "<unset>"), "string", 1),
    ),
    "nodes": _printer(
        ("Name", _name), ("Status", _node_status), ("Roles", _node_roles), ("Age", _age),
        ("Version", _at("status.nodeInfo.kubeletVersion")), ("Internal-IP", _node_address("InternalIP"), "string", 1),
        ("External-IP", _node_address("ExternalIP"), "string", 1),
        ("OS-Image", _at("status.nodeInfo.osImage", UNKNOWN), "string", 1),
        ("Kernel-Version", _at("status.nodeInfo.kernelVersion", UNKNOWN), "string", 1),
        ("Container-Runtime", _at("status.nodeInfo.containerRuntimeVersion", UNKNOWN), "string", 1),
    ),
    "jobs.batch": _printer(
        ("Name", _name), ("Status", _job_status), ("Completions", _job_completions), ("Duration", _job_duration),
        ("Age", _age), *_WORKLOAD,
    ),
    "deployments.apps": _printer(
        ("Name", _name), ("Ready", _deployment_ready), ("Up-to-date", _at("status.updatedReplicas", 0)),
        ("Available", _at("status.availableReplicas", 0)), ("Age", _age), *_WORKLOAD,
    ),
    "replicasets.apps": _printer(
        ("Name", _name), ("Desired", _at("spec.replicas", 1), "integer"),
        ("Current", _at("status.replicas", 0), "integer"), ("Ready", _at("status.readyReplicas", 0), "integer"),
        ("Age", _age), *_WORKLOAD,
    ),
    "statefulsets.apps": _printer(
        ("Name", _name), ("Ready", _deployment_ready), ("Age", _age), *_WORKLOAD[:2]
    ),
    "rolebindings.rbac.authorization.k8s.io": _BINDING,
    "clusterrolebindings.rbac.authorization.k8s.io": _BINDING,
    "leases.coordination.k8s.io": _printer(("Name", _name), ("Holder", _at("spec.holderIdentity")), ("Age", _age)),
    "networkpolicies.networking.k8s.io": _printer(
        ("Name", _name), ("Pod-Selector", _selector("spec.podSelector")), ("Age", _age)
    ),
    "poddisruptionbudgets.policy": _printer(
        ("Name", _name), ("Min Available", lambda obj: str(_at("spec.minAvailable", "N/A")(obj))),
        ("Max Unavailable", lambda obj: str(_at("spec.maxUnavailable", "N/A")(obj))),
        ("Allowed Disruptions", _at("status.disruptionsAllowed", 0), "integer"), ("Age", _age),
    ),
    "validatingadmissionpolicies.admissionregistration.k8s.io": _printer(
        ("Name", _name), ("Validations", _size("spec.validations"), "integer"),
        ("ParamKind", _param("spec.paramKind")), ("Age", _age),
    ),
    "validatingadmissionpolicybindings.admissionregistration.k8s.io": _printer(
        ("Name", _name), ("PolicyName", _at("spec.policyName")), ("ParamRef", _param("spec.paramRef")), ("Age", _age)
    ),
    "validatingwebhookconfigurations.admissionregistration.k8s.io": _WEBHOOKS,
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": _WEBHOOKS,
    "priorityclasses.scheduling.k8s.io": _printer(
        ("Name", _name), ("Value", _at("value", 0), "integer"),
        ("Global-Default", _at("globalDefault", False), "boolean"), ("Age", _age),
        ("PreemptionPolicy", _at("preemptionPolicy", "PreemptLowerPriority")),
    ),
}  # fmt: skip


def row_conditions(resource: Resource, obj: Obj) -> list[Obj]:
    """Return the conditions that let `kubectl` tell finished pods apart."""
    phase = obj.get("status", {}).get("phase") if resource.table_name == "pods" else None
    if phase == "Succeeded":
        message = "The pod has completed successfully."
        return [{"type": "Completed", "status": "True", "reason": "Succeeded", "message": message}]
    if phase == "Failed":
        return [{"type": "Completed", "status": "True", "reason": "Failed", "message": "The pod failed."}]
    return []

"""Services: defaults, cluster addresses and node ports."""

from __future__ import annotations

import itertools

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.kinds import Hooks
from mnist_local.apiserver.schema import errors as field
from mnist_local.apiserver.schema.errors import FieldError

_addresses = itertools.count(10)
# Nobody listens on them; a port of the range that clusters use, each given once.
_node_ports = itertools.cycle(range(30000, 32768))


def _next_address() -> str:
    number = next(_addresses)
    return f"10.96.{number // 250 % 250}.{number % 250 + 1}"


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if not port.get("targetPort"):
            port["targetPort"] = port.get("port")


def _give_node_ports(spec: Obj) -> None:
    if spec["type"] not in {"NodePort", "LoadBalancer"} or spec.get("allocateLoadBalancerNodePorts") is False:
        return
    for port in spec.get("ports") or ():
        if not port.get("nodePort"):
            port["nodePort"] = next(_node_ports)


def _prepare_create(obj: Obj) -> None:
    spec = obj["spec"]
    obj["status"] = {"loadBalancer": {}}
    if spec["type"] == "ExternalName":
        return
    if not spec.get("clusterIP"):
        spec["clusterIP"] = _next_address()
    spec["clusterIPs"] = [spec["clusterIP"]]
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    _give_node_ports(spec)


def _prepare_update(obj: Obj, old: Obj) -> None:
    spec, former = obj["spec"], old["spec"]
    for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if not spec.get(name) and name in former:
            spec[name] = former[name]
    given = {port.get("name"): port["nodePort"] for port in former.get("ports") or () if port.get("nodePort")}
    for port in spec.get("ports") or ():
        if not port.get("nodePort") and port.get("name") in given and spec["type"] in {"NodePort", "LoadBalancer"}:
            port["nodePort"] = given[port.get("name")]
    _give_node_ports(spec)


def _validate(obj: Obj, old: Obj | None) -> list[FieldError]:
    spec = obj["spec"]
    causes: list[FieldError] = []
    types = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
    if spec["type"] not in types:
        causes.append(field.not_supported("spec.type", spec["type"], types))
    headless = spec.get("clusterIP") == "None"
    if not spec.get("ports") and not headless and spec["type"] != "ExternalName":
        causes.append(field.required("spec.ports"))
    for index, port in enumerate(spec.get("ports") or ()):
        number = port.get("port")
        if not isinstance(number, int) or not 1 <= number <= 65535:
            where = f"spec.ports[{index}].port"
            causes.append(field.invalid(where, number, "must be between 1 and 65535, inclusive"))
        if len(spec["ports"]) > 1 and not port.get("name"):
            causes.append(field.required(f"spec.ports[{index}].name"))
    if old is not None and old["spec"].get("clusterIP") and spec.get("clusterIP") != old["spec"]["clusterIP"]:
        causes.append(field.invalid("spec.clusterIPs[0]", spec.get("clusterIP"), "may not change once set"))
    return causes


HOOKS = {
    "services": Hooks(
        default=_default, prepare_create=_prepare_create, prepare_update=_prepare_update, validate=_validate
    )
}

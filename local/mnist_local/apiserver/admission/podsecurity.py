"""Pod Security: namespaces labelled `pod-security.kubernetes.io/enforce|warn` refuse or warn of pods that go too far.

The checks are those of the Pod Security Standards that a pod of this product can break; the exotic ones (SELinux,
sysctls, AppArmor, Windows, procMount, host probes) are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import Obj, forbidden
from mnist_local.apiserver.rest.admission import Attributes, Plugin

_PREFIX = "pod-security.kubernetes.io/"
_DEFAULT_CAPABILITIES = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
_VOLUMES = frozenset(
    [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
        "image",
    ]
)
_TEMPLATES = frozenset({"jobs.batch", "deployments.apps", "replicasets.apps", "statefulsets.apps", "daemonsets.apps"})


@dataclass(frozen=True, slots=True)
class Container:
    """A container's name and what its securityContext says."""

    name: str
    security: Obj
    spec: Obj


def _containers(spec: Obj) -> list[Container]:
    return [
        Container(one.get("name", ""), one.get("securityContext") or {}, one)
        for kind in ("initContainers", "containers", "ephemeralContainers")
        for one in spec.get(kind) or ()
    ]


def _quoted(names: Iterator[str] | list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _named(kind: str, names: list[str]) -> str:
    return f"{kind}{'' if len(names) == 1 else 's'} {_quoted(names)}"


def _offenders(spec: Obj, wrong: Callable[[Container], bool]) -> str:
    names = [container.name for container in _containers(spec) if wrong(container)]
    return _named("container", names) if names else ""


def _host_namespaces(spec: Obj) -> str:
    used = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    return f"host namespaces ({', '.join(used)})" if used else ""


def _host_ports(spec: Obj) -> str:
    ports = {str(p["hostPort"]) for c in _containers(spec) for p in c.spec.get("ports") or () if p.get("hostPort")}
    names = [c.name for c in _containers(spec) if any(p.get("hostPort") for p in c.spec.get("ports") or ())]
    if not names:
        return ""
    use, plural = ("uses" if len(names) == 1 else "use"), ("" if len(ports) == 1 else "s")
    return f"hostPort ({_named('container', names)} {use} hostPort{plural} {', '.join(sorted(ports))})"


def _privileged(spec: Obj) -> str:
    found = _offenders(spec, lambda c: bool(c.security.get("privileged")))
    return f"privileged ({found} must not set securityContext.privileged=true)" if found else ""


def _added(container: Container) -> list[str]:
    return (container.security.get("capabilities") or {}).get("add") or []


def _capabilities_baseline(spec: Obj) -> str:
    found = _offenders(spec, lambda c: any(name not in _DEFAULT_CAPABILITIES for name in _added(c)))
    if not found:
        return ""
    more = sorted({name for c in _containers(spec) for name in _added(c)} - _DEFAULT_CAPABILITIES)
    return f"non-default capabilities ({found} must not include {_quoted(more)} in securityContext.capabilities.add)"


def _host_paths(spec: Obj) -> str:
    names = [volume["name"] for volume in spec.get("volumes") or () if "hostPath" in volume]
    return f"hostPath volumes ({_named('volume', names)})" if names else ""


def _escalation(spec: Obj) -> str:
    found = _offenders(spec, lambda c: c.security.get("allowPrivilegeEscalation") is not False)
    must = "must set securityContext.allowPrivilegeEscalation=false"
    return f"allowPrivilegeEscalation != false ({found} {must})" if found else ""


def _capabilities_restricted(spec: Obj) -> str:
    kept = _offenders(spec, lambda c: "ALL" not in ((c.security.get("capabilities") or {}).get("drop") or ()))
    added = _offenders(spec, lambda c: any(name != "NET_BIND_SERVICE" for name in _added(c)))
    parts = [f'{kept} must set securityContext.capabilities.drop=["ALL"]'] if kept else []
    if added:
        more = sorted({name for c in _containers(spec) for name in _added(c)} - {"NET_BIND_SERVICE"})
        parts.append(f"{added} must not include {_quoted(more)} in securityContext.capabilities.add")
    return f"unrestricted capabilities ({'; '.join(parts)})" if parts else ""


def _volume_types(spec: Obj) -> str:
    bad = [
        (volume["name"], kind)
        for volume in spec.get("volumes") or ()
        for kind in volume
        if kind != "name" and kind not in _VOLUMES
    ]
    if not bad:
        return ""
    kinds = sorted({kind for _, kind in bad})
    uses = "uses restricted volume type" if len(bad) == 1 else "use restricted volume type"
    plural = "" if len(kinds) == 1 else "s"
    return f"restricted volume types ({_named('volume', [name for name, _ in bad])} {uses}{plural} {_quoted(kinds)})"


def _run_as_non_root(spec: Obj) -> str:
    pod = (spec.get("securityContext") or {}).get("runAsNonRoot")
    explicit = _offenders(spec, lambda c: c.security.get("runAsNonRoot") is False)
    parts = ["pod must not set securityContext.runAsNonRoot=false"] if pod is False else []
    if explicit:
        parts.append(f"{explicit} must not set securityContext.runAsNonRoot=false")
    if not parts and pod is not True:
        found = _offenders(spec, lambda c: c.security.get("runAsNonRoot") is None)
        if found:
            parts.append(f"pod or {found} must set securityContext.runAsNonRoot=true")
    return f"runAsNonRoot != true ({'; '.join(parts)})" if parts else ""


def _run_as_user(spec: Obj) -> str:
    parts = ["pod must not set runAsUser=0"] if (spec.get("securityContext") or {}).get("runAsUser") == 0 else []
    if found := _offenders(spec, lambda c: c.security.get("runAsUser") == 0):
        parts.append(f"{found} must not set runAsUser=0")
    return f"runAsUser=0 ({'; '.join(parts)})" if parts else ""


def _profile(security: Obj) -> Any:
    return (security.get("seccompProfile") or {}).get("type")


def _seccomp_set(spec: Obj) -> list[str]:
    parts: list[str] = []
    pod = _profile(spec.get("securityContext") or {})
    if pod == "Unconfined":
        parts.append('pod must not set securityContext.seccompProfile.type to "Unconfined"')
    if found := _offenders(spec, lambda c: _profile(c.security) == "Unconfined"):
        parts.append(f'{found} must not set securityContext.seccompProfile.type to "Unconfined"')
    return parts


def _seccomp_baseline(spec: Obj) -> str:
    parts = _seccomp_set(spec)
    return f"seccompProfile ({'; '.join(parts)})" if parts else ""


def _seccomp_restricted(spec: Obj) -> str:
    parts = _seccomp_set(spec)
    if not parts and not _profile(spec.get("securityContext") or {}):
        found = _offenders(spec, lambda c: not _profile(c.security))
        if found:
            wanted = 'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
            parts.append(f"pod or {found} must set {wanted}")
    return f"seccompProfile ({'; '.join(parts)})" if parts else ""


_BASELINE = (_capabilities_baseline, _host_namespaces, _host_paths, _host_ports, _privileged, _seccomp_baseline)
_RESTRICTED = (
    _escalation, _capabilities_restricted, _host_namespaces, _host_ports, _privileged, _volume_types, _run_as_non_root,
    _run_as_user, _seccomp_restricted,
)  # fmt: skip
_LEVELS = {"baseline": _BASELINE, "restricted": _RESTRICTED}


def violations(level: str, spec: Obj) -> str:
    """Return what a pod spec breaks of a level, as one sentence; empty where it breaks nothing."""
    found = [text for check in _LEVELS.get(level, ()) if (text := check(spec))]
    return ", ".join(found)


def pod_security(ctx: Context) -> Plugin:
    """Return the plugin over a server's namespaces."""
    namespaces = ctx.store.table("namespaces")

    def admit(attributes: Attributes) -> None:
        table = attributes.resource.table_name
        if attributes.obj is None or attributes.subresource or (table != "pods" and table not in _TEMPLATES):
            return
        entry = namespaces.get("", attributes.namespace)
        labels = (entry.obj["metadata"].get("labels") or {}) if entry is not None else {}
        spec = attributes.obj.get("spec") or {}
        if table != "pods":
            spec = (spec.get("template") or {}).get("spec") or {}
        for mode in ("enforce", "warn"):
            level = labels.get(_PREFIX + mode, "")
            # Templates only warn: their pods are refused when they are made.
            refuses = mode == "enforce" and table == "pods"
            found = violations(level, spec)
            if not found:
                continue
            version = labels.get(f"{_PREFIX}{mode}-version", "latest")
            if refuses:
                why = f'violates PodSecurity "{level}:{version}": {found}'
                raise forbidden("", "pods", attributes.name, why)
            warning = f'would violate PodSecurity "{level}:{version}": {found}'
            if warning not in attributes.warnings:
                attributes.warnings.append(warning)

    return admit

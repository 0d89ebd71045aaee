"""Changes that somebody else made to what the operator made, told from what API server and KubeRay do by themselves.

Specs are compared in a canonical form. KubeRay is a Go program: it reads an object into its types and writes it back
whole, to add a finalizer for one. What comes back means the same and is not the same: fields with a zero value (false,
0, "", an empty list or map) are gone or have come, and a quantity of `1000m` is `1`. The API server fills in the
defaults of the CRD that is installed. None of that is drift; everything else is.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Any

from mnist_kube.quantity import parse_quantity

Object = dict[str, Any]
# Of a worker group: the numbers are put right on their own, and the autoscaler names the pods that it wants to go.
_MOVING_IN_GROUP = ("replicas", "minReplicas", "maxReplicas", "scaleStrategy")
# Kueue's, or the hand's of somebody who stops a cluster; the lifecycle judges it.
_MOVING = ("suspend",)
# Pointers in Go, whose zero is kept and means something else than no value: `automountServiceAccountToken: false`.
_ZERO_COUNTS_NAMES = """
    allowPrivilegeEscalation automountServiceAccountToken backoffLimit defaultMode enableIngress enableServiceLinks
    fsGroup hostUsers idleTimeoutSeconds labelSelector mode namespaceSelector runAsGroup runAsNonRoot runAsUser
    storageClassName terminationGracePeriodSeconds tolerationSeconds
"""
_ZERO_COUNTS = frozenset(_ZERO_COUNTS_NAMES.split())
# Maps of the user's own keys: an entry with an empty value is an entry.
_MAPS_NAMES = """
    annotations clusterSelector data headServiceAnnotations labels limits matchLabels nodeSelector options overhead
    rayStartParams requests selector stringData userAnnotations volumeAttributes
"""
_MAPS = frozenset(_MAPS_NAMES.split())
_QUANTITIES = frozenset({"limits", "overhead", "requests"})
_QUANTITY_FIELDS = frozenset({"divisor", "sizeLimit"})
# The defaults of KubeRay's CRDs that are no zero values, by the object that the field is in.
_DEFAULTS: dict[tuple[str, str], object] = {
    ("", "backoffLimit"): 0,
    ("", "submissionMode"): "K8sJobMode",
    ("networkPolicy", "mode"): "DenyAll",
    ("workerGroupSpecs", "numOfHosts"): 1,
    ("ports", "protocol"): "TCP",
    ("azureDisk", "fsType"): "ext4",
    ("iscsi", "iscsiInterface"): "default",
    ("rbd", "keyring"): "/etc/ceph/keyring",
    ("rbd", "pool"): "rbd",
    ("rbd", "user"): "admin",
    ("scaleIO", "fsType"): "xfs",
    ("scaleIO", "storageMode"): "ThinProvisioned",
}


def canonical(value: Any, field: str = "") -> Any:
    """Return a spec, or the part of it that `field` holds, in the form in which equal means unchanged."""
    if isinstance(value, list):
        return [canonical(item, field) for item in value] if value and isinstance(value[0], dict) else value
    if not isinstance(value, dict):
        return _amount(value) if field in _QUANTITY_FIELDS else value
    if field in _MAPS:
        return {key: _amount(amount) for key, amount in value.items()} if field in _QUANTITIES else value
    said = {}
    for key, part in value.items():
        if isinstance(part, dict | list) or key in _QUANTITY_FIELDS:
            part = canonical(part, key)
        # A field that says no more than its absence would is left out.
        if (part or (key in _ZERO_COUNTS and part is not None)) and _DEFAULTS.get((field, key)) != part:
            said[key] = part
    return said


@lru_cache(maxsize=256)
def _amount(quantity: Any) -> Any:
    try:
        number = parse_quantity(quantity)
    except ValueError:
        return quantity
    return f"{number.normalize():f}" if number else 0


def spec_digest(spec: Object) -> str:
    """Return a digest of a RayCluster's or a RayJob's spec without the parts that others may change."""
    fixed = {key: value for key, value in spec.items() if key not in _MOVING}
    if "workerGroupSpecs" in spec:
        fixed["workerGroupSpecs"] = [
            {key: value for key, value in group.items() if key not in _MOVING_IN_GROUP}
            for group in spec["workerGroupSpecs"] or []
        ]
    text = json.dumps(canonical(fixed), sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def lacks(desired: Any, live: Any) -> bool:
    """Whether something desired is not there: objects may have more fields than desired, lists no more items."""
    return _lacks(desired, canonical(desired), canonical(live))


def _lacks(named: Any, desired: Any, live: Any) -> bool:
    """Compare canonical forms; `named` is the desired object as it was written, which also names what must be zero."""
    if isinstance(named, dict):
        desired, live = desired or {}, live or {}
        return not isinstance(live, dict) or any(
            _lacks(value, desired.get(key), live.get(key)) for key, value in named.items()
        )
    if isinstance(named, list):
        desired, live = desired or [], live or []
        if not isinstance(live, list) or len(live) != len(desired):
            return True
        return any(_lacks(*items) for items in zip(named, desired, live, strict=True))
    return bool(desired != live)


def put_back(desired: Object, live: Object) -> Object:
    """Return the desired spec with what others may change as it is live."""
    kept = {key: live[key] for key in _MOVING if key in live}
    groups = {group.get("groupName"): group for group in live.get("workerGroupSpecs") or []}
    spec = {**desired, **kept}
    if "workerGroupSpecs" in desired:
        spec["workerGroupSpecs"] = [
            {**group, **{key: found[key] for key in _MOVING_IN_GROUP if key in found}}
            for group in desired["workerGroupSpecs"]
            for found in (groups.get(group["groupName"], {}),)
        ]
    return spec

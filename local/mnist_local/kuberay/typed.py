"""What a Go client makes of an object that it reads into its types and writes back whole.

KubeRay adds and removes its finalizer by such an update, and it changes more than the finalizer: a field that is
declared `omitempty` and holds a zero value (false, 0, "", an empty list or map) is not written out again, a quantity is
written in its canonical form (`1000m` as `1`), and a struct that is no pointer is written even where it was absent
(a container's `resources: {}`). Pointers keep their zero values (`backoffLimit: 0`, `runAsUser: 0`), and so do fields
without `omitempty`. The API server then counts a new generation and fills in the CRD's defaults again.

The tables name the exceptions among the fields of a RayJob and of the pod templates in it; names suffice, since none
of them means one thing here and another there.
"""

from mnist_kube.objects import Object
from mnist_kube.quantity import canonical_quantity

# Pointers, fields without `omitempty`, and ttlSecondsAfterFinished, which the CRD's default puts back: zero is a value.
_KEPT_NAMES = """
    activeDeadlineSeconds preRunningDeadlineSeconds backoffLimit ttlSecondsAfterFinished managedBy policy
    automountServiceAccountToken terminationGracePeriodSeconds shareProcessNamespace priority preemptionPolicy
    runtimeClassName enableServiceLinks hostUsers setHostnameAsFQDN tolerationSeconds expirationSeconds
    runAsUser runAsGroup runAsNonRoot fsGroup fsGroupChangePolicy supplementalGroupsPolicy
    privileged readOnlyRootFilesystem allowPrivilegeEscalation procMount
    optional defaultMode mode type sizeLimit storageClassName volumeMode volumeName service
    controller blockOwnerDeletion deletionGracePeriodSeconds
    name key mountPath containerPort port image devicePath fieldPath resource claimName driver
    topologyKey whenUnsatisfiable maxSkew operator weight conditionType uid apiVersion kind
    containers nodeSelectorTerms names
"""
_KEPT = frozenset(_KEPT_NAMES.split())
_MAPS = frozenset({"labels", "annotations", "matchLabels", "nodeSelector", "clusterSelector", "volumeAttributes"})
_QUANTITIES = frozenset({"limits", "requests", "overhead"})
_TEMPLATES = frozenset({"submitterPodTemplate", "template"})
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


def updated(obj: Object) -> Object:
    """Return the body of a typed update of `obj`; its status, which such an update cannot change, is as it was.

    Raises ValueError for a quantity that is none: a Go client cannot even read such an object.
    """
    metadata = {key: value for key, value in obj["metadata"].items() if value not in ({}, [], "")}
    spec = _struct(obj["spec"])
    if not spec.get("metadata", True):  # a RayJob's own is a map, a template's a struct
        del spec["metadata"]
    return {**obj, "metadata": metadata, "spec": spec}


def _struct(value: Object) -> Object:
    written = {name: _field(name, field) for name, field in value.items()}
    return {name: field for name, field in written.items() if name in _KEPT or not _is_omitted(name, field)}


def _is_omitted(name: str, value: object) -> bool:
    if isinstance(value, dict):
        return not value and (name in _MAPS or name in _QUANTITIES)
    return value is None or value == 0 or value in ("", [])  # `0 == False`


def _field(name: str, value: object) -> object:
    if isinstance(value, list):
        written = [_struct(item) if isinstance(item, dict) else item for item in value]
        return [{"resources": {}, **item} for item in written] if name in _CONTAINERS else written
    if not isinstance(value, dict):
        return canonical_quantity(str(value)) if name == "sizeLimit" else value
    if name in _QUANTITIES:
        return {key: canonical_quantity(str(amount)) for key, amount in value.items()}
    if name in _MAPS:
        return value
    return {"metadata": {}, **_struct(value)} if name in _TEMPLATES else _struct(value)

"""The types of the API server's own kinds, read from the `kubernetes` client's models without importing them.

The client declares each model in a file of its own, one field a line. Reading the lines that are asked for takes a
fraction of a millisecond; importing the client takes half a second and 100 MB. Objects are held to the types (unknown
fields, JSON types), and patches and field ownership learn from them how lists merge.
"""

import importlib.util
import re
from copy import copy as shallow_copy
from functools import cache
from pathlib import Path
from typing import Any, Final

from mnist_local.apiserver.schema import errors
from mnist_local.apiserver.schema.errors import FieldError
from mnist_local.apiserver.schema.node import Node
from mnist_local.apiserver.schema.objects import fill, prune, wrong_types

_FIELD: Final = re.compile(r"    (\w+): ([^=\n]+?(?:=True[^=\n]*?)*)(?: = (Field\(.*\)|None))?$", re.MULTILINE)
_ALIAS: Final = re.compile(r'\b(?:serialization_)?alias="([^"]+)"')
_SNAKE: Final = (re.compile(r"(.)([A-Z][a-z]+)"), re.compile(r"([a-z0-9])([A-Z])"))
_SCALARS: Final = {
    "StrictStr": "string", "StrictInt": "integer", "StrictBool": "boolean", "datetime": "string",
    "Union[StrictFloat, StrictInt]": "number",
    "Union[Annotated[bytes, Field(strict=True)], Annotated[str, Field(strict=True)]]": "string",
}  # fmt: skip

# What the models do not tell, from the OpenAPI documents of Kubernetes 1.36, for the kinds that this server holds.
# Names are the client's models and JSON field names.
_KEYED: Final[dict[str, tuple[str, ...]]] = {
    "V1Container.env": ("name",),
    "V1Container.ports": ("containerPort", "protocol"),
    "V1Container.volumeDevices": ("devicePath",),
    "V1Container.volumeMounts": ("mountPath",),
    "V1CustomResourceDefinitionStatus.conditions": ("type",),
    "V1DeploymentStatus.conditions": ("type",),
    "V1NamespaceStatus.conditions": ("type",),
    "V1NodeStatus.addresses": ("type",),
    "V1NodeStatus.conditions": ("type",),
    "V1ObjectMeta.ownerReferences": ("uid",),
    "V1PodDisruptionBudgetStatus.conditions": ("type",),
    "V1PodSpec.containers": ("name",),
    "V1PodSpec.ephemeralContainers": ("name",),
    "V1PodSpec.hostAliases": ("ip",),
    "V1PodSpec.imagePullSecrets": ("name",),
    "V1PodSpec.initContainers": ("name",),
    "V1PodSpec.topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "V1PodSpec.volumes": ("name",),
    "V1PodStatus.conditions": ("type",),
    "V1PodStatus.podIPs": ("ip",),
    "V1ServiceAccount.secrets": ("name",),
    "V1ServiceSpec.ports": ("port", "protocol"),
    "V1ServiceStatus.conditions": ("type",),
    "V1ValidatingAdmissionPolicySpec.matchConditions": ("name",),
    "V1ValidatingAdmissionPolicySpec.variables": ("name",),
}
"""Lists of type `map`; a strategic merge patch merges them by the first of these keys."""
_DEFAULTED_KEYS: Final = {"V1ContainerPort.protocol": "TCP", "V1ServicePort.protocol": "TCP"}
_SETS: Final = frozenset(("V1ObjectMeta.finalizers", "V1ValidatingAdmissionPolicyBindingSpec.validationActions"))
_ATOMIC: Final = frozenset((
    "RbacV1Subject", "V1ConfigMapKeySelector", "V1LabelSelector", "V1LocalObjectReference", "V1MatchResources",
    "V1NamedRuleWithOperations", "V1NodeSelector", "V1NodeSelectorTerm", "V1ObjectFieldSelector", "V1ObjectReference",
    "V1OwnerReference", "V1PodSpec.nodeSelector", "V1ResourceFieldSelector", "V1RoleRef", "V1SecretKeySelector",
    "V1ServiceSpec.selector", "V1Variable",
))  # fmt: skip
"""Objects that are owned and patched as a whole: all of a model, or one field."""
_QUANTITIES: Final = frozenset((
    "V1EmptyDirVolumeSource.sizeLimit", "V1NodeStatus.allocatable", "V1NodeStatus.capacity",
    "V1ResourceRequirements.limits", "V1ResourceRequirements.requests", "V1VolumeResourceRequirements.limits",
    "V1VolumeResourceRequirements.requests",
))  # fmt: skip
"""Amounts: texts that may be written as numbers."""


class BuiltinSchema:
    """The type of one built-in kind, with the methods of a `StructuralSchema`."""

    def __init__(self, root: Node) -> None:
        self.root = self.merge_root = root

    def default(self, obj: dict[str, Any]) -> None:
        """Drop nulls, and fill in what identifies items of lists; other defaults are the kind's own business."""
        fill(obj, self.root)

    def prune(self, obj: dict[str, Any]) -> list[str]:
        return prune(obj, self.root)

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        return [errors.wrong_type(*found) for found in wrong_types(obj, self.root)]


@cache
def builtin_schema(group: str, version: str, kind: str) -> BuiltinSchema | None:
    """The schema of a built-in kind ("" is the core group); None for any other."""
    model = _model_of(group, version, kind)
    return BuiltinSchema(_model_node(model)) if model else None


def _model_of(group: str, version: str, kind: str) -> str | None:
    prefix, group_name = version.capitalize(), (group or "core").partition(".")[0].capitalize()
    return next((m for m in (f"{group_name}{prefix}{kind}", f"{prefix}{kind}") if _path(m).is_file()), None)


def object_meta() -> Node:
    """The type of every object's metadata."""
    return _model_node("V1ObjectMeta")


@cache
def _path(model: str) -> Path:
    spec = importlib.util.find_spec("kubernetes")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the kubernetes client is not installed")
    name = model
    for pattern in _SNAKE:
        name = pattern.sub(r"\1_\2", name)
    return Path(spec.submodule_search_locations[0], "client", "models", f"{name.lower()}.py")


@cache
def _fields(model: str) -> dict[str, str]:
    text = _path(model).read_text(encoding="utf-8")
    text = text[text.index(f"\nclass {model}(") :].partition('    """ # noqa: E501\n')[2]
    found = {}
    for attribute, annotation, declaration in _FIELD.findall(text[: text.index("    openapi_types: ClassVar")]):
        alias = _ALIAS.search(declaration)
        is_optional = annotation.startswith("Optional[")
        type_ = annotation.removeprefix("Optional[").removesuffix("]") if is_optional else annotation
        found[alias[1] if alias else attribute] = type_
    return found


@cache
def _model_node(model: str) -> Node:
    node = Node("object")
    node.map_type = "atomic" if model in _ATOMIC else ""
    node.load = lambda: {name: _field_node(f"{model}.{name}", type_) for name, type_ in _fields(model).items()}
    return node


def _field_node(key: str, type_: str) -> Node:
    node = _typed(key, type_)
    if key in _DEFAULTED_KEYS:
        node.default = _DEFAULTED_KEYS[key]
    if key in _ATOMIC:
        node.map_type = "atomic"
    if key in ("V1DeploymentSpec.strategy", "V1PodSpec.volumes"):
        node = shallow_copy(node)
        node.patch_strategy = (*node.patch_strategy, "retainKeys")
    return node


def _typed(key: str, type_: str) -> Node:
    if key in ("V1JSONSchemaProps.items", "V1JSONSchemaProps.additionalProperties"):
        node = Node()  # a schema, or true or false
        node.load = lambda: _model_node("V1JSONSchemaProps").properties
        return node
    if type_.startswith("List["):
        return _list(key, type_[len("List[") : -1])
    if type_.startswith("Dict[str, ") and type_ != "Dict[str, Any]":
        node = Node("object")
        node.additional = _typed(key, type_[len("Dict[str, ") : -1])
        return node
    if key in _QUANTITIES:
        return Node()
    if type_ in _SCALARS:
        return Node(_SCALARS[type_])
    if _path(type_).is_file():
        return _model_node(type_)
    # Free-form values, or an integer or string.
    node = Node("object" if type_ == "Dict[str, Any]" else "")
    node.keeps_unknown = True
    return node


def _list(key: str, item_type: str) -> Node:
    node = Node("array")
    node.items = _typed(key, item_type)
    key = key.replace("V1EphemeralContainer.", "V1Container.")
    if key in _KEYED:
        node.list_type, node.map_keys = "map", _KEYED[key]
        node.patch_key, node.patch_strategy = node.map_keys[0], ("merge",)
    elif key in _SETS:
        node.list_type = "set"
        node.patch_strategy = ("merge",) if key == "V1ObjectMeta.finalizers" else ()
    return node

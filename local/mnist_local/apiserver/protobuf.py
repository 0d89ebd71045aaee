"""Protobuf bodies: how `kubectl create` and `kubectl auth` send the kinds that they are compiled with.

They have no other form to fall back on when it is refused. Read are the kinds that users make on a machine of their
own; every answer is JSON, which all clients take. Messages are Kubernetes' own (`generated.proto` of each group).
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message, message_factory

from mnist_local.apiserver.errors import Obj

CONTENT_TYPE: Final = "application/vnd.kubernetes.protobuf"
_MAGIC: Final = b"k8s\x00"
_META: Final = "1:metadata:ObjectMeta"
_MESSAGES: Final = f"""
Unknown 1:typeMeta:TypeMeta 2:raw:bytes 3:contentEncoding 4:contentType
TypeMeta 1:apiVersion 2:kind
Time 1:seconds:int 2:nanos:int
ObjectMeta 1:name 2:generateName 3:namespace 4:selfLink 5:uid 6:resourceVersion 7:generation:int
 8:creationTimestamp:Time 11:labels:map 12:annotations:map 14:finalizers:*
DeleteOptions 1:gracePeriodSeconds:int 2:preconditions:Preconditions 3:orphanDependents:bool 4:propagationPolicy
 5:dryRun:*
Preconditions 1:uid 2:resourceVersion
Namespace {_META} 2:spec:NamespaceSpec 3:status:NamespaceStatus
NamespaceSpec 1:finalizers:*
NamespaceStatus 1:phase
Secret {_META} 2:data:bytemap 3:type 4:stringData:map 5:immutable:bool
ConfigMap {_META} 2:data:map 3:binaryData:bytemap 4:immutable:bool
ServiceAccount {_META} 4:automountServiceAccountToken:bool
Role {_META} 2:rules:*PolicyRule
ClusterRole {_META} 2:rules:*PolicyRule
PolicyRule 1:verbs:* 2:apiGroups:* 3:resources:* 4:resourceNames:* 5:nonResourceURLs:*
RoleBinding {_META} 2:subjects:*Subject 3:roleRef:RoleRef
ClusterRoleBinding {_META} 2:subjects:*Subject 3:roleRef:RoleRef
Subject 1:kind 2:apiGroup 3:name 4:namespace
RoleRef 1:apiGroup 2:kind 3:name
TokenRequest {_META} 2:spec:TokenRequestSpec 3:status:TokenRequestStatus
TokenRequestSpec 1:audiences:* 3:boundObjectRef:BoundObjectReference 4:expirationSeconds:int
TokenRequestStatus 1:token 2:expirationTimestamp:Time
BoundObjectReference 1:kind 2:apiVersion 3:name 4:uid
SelfSubjectAccessReview {_META} 2:spec:SelfSubjectAccessReviewSpec 3:status:SubjectAccessReviewStatus
SelfSubjectAccessReviewSpec 1:resourceAttributes:ResourceAttributes 2:nonResourceAttributes:NonResourceAttributes
ResourceAttributes 1:namespace 2:verb 3:group 4:version 5:resource 6:subresource 7:name
NonResourceAttributes 1:path 2:verb
SubjectAccessReviewStatus 1:allowed:bool 2:reason 3:evaluationError 4:denied:bool
"""
"""Each message's fields as number:name[:type]: text where no type is given, "*" for a list, "map" of text to text."""
_Field: Final = descriptor_pb2.FieldDescriptorProto
_TYPES: Final = {
    "": _Field.TYPE_STRING, "bytes": _Field.TYPE_BYTES, "int": _Field.TYPE_INT32, "bool": _Field.TYPE_BOOL,
}  # fmt: skip
_ENTRY: Final = {"map": "TextEntry", "bytemap": "BytesEntry"}


def decode(body: bytes) -> Obj:
    """The object in a body, with its kind and apiVersion, as JSON has it.

    Raises:
        ValueError: it is of a kind that is not read, or no protobuf message.
    """
    if not body.startswith(_MAGIC):
        raise ValueError("the body does not begin with the magic bytes of Kubernetes' protobuf")
    envelope = _parse("Unknown", body[len(_MAGIC) :])
    kind = envelope.typeMeta.kind
    if f"\n{kind} {_META}" not in _MESSAGES and kind != "DeleteOptions":
        raise ValueError(f"{kind or 'an object without a kind'} is read as JSON only: use `kubectl apply -f`")
    found = json_format.MessageToDict(_parse(kind, envelope.raw), preserving_proto_field_name=True)
    return {"kind": kind, "apiVersion": envelope.typeMeta.apiVersion, **_plain(found)}


def _parse(name: str, data: bytes) -> Any:
    parsed = message_factory.GetMessageClass(_pool().FindMessageTypeByName(name))()
    try:
        parsed.ParseFromString(data)
    except message.DecodeError as error:
        raise ValueError(f"the body is no {name}: {error}") from None
    size = parsed.ByteSize()
    parsed.DiscardUnknownFields()
    if parsed.ByteSize() != size:
        raise ValueError(f"the {name} has fields that are read as JSON only: use `kubectl apply -f`")
    return parsed


def _plain(value: Any) -> Any:
    """Without the empty fields that Go always sends, and with entries of maps as a map."""
    if isinstance(value, list):
        if value and all(isinstance(item, dict) and set(item) <= {"key", "value"} and "key" in item for item in value):
            return {item["key"]: item.get("value", "") for item in value}
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    plain = {name: _plain(item) for name, item in value.items()}
    return {name: item for name, item in plain.items() if item not in ("", {}, [])}


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(name="kubernetes.proto", syntax="proto2")
    for line in f"{_MESSAGES}TextEntry 1:key 2:value\nBytesEntry 1:key 2:value:bytes".replace("\n ", " ").splitlines():
        for index, text in enumerate(line.split()):
            if index == 0:
                made = file.message_type.add(name=text)
                continue
            number, name, kind = (*text.split(":"), "")[:3]
            is_list = kind.startswith("*") or kind in _ENTRY
            target = _ENTRY.get(kind, kind.lstrip("*"))
            field = made.field.add(name=name, number=int(number))
            field.label = _Field.LABEL_REPEATED if is_list else _Field.LABEL_OPTIONAL
            field.type = _TYPES.get(target, _Field.TYPE_MESSAGE)
            if target not in _TYPES:
                field.type_name = f".{target}"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool

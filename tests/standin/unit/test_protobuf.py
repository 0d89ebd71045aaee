"""Bodies in protobuf, as `kubectl create` sends them."""

import pytest

from mnist_local.apiserver import protobuf


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, len(value)]) + value


def envelope(version: bytes, kind: bytes, message: bytes) -> bytes:
    return b"k8s\x00" + field(1, field(1, version) + field(2, kind)) + field(2, message)


def test_objects_come_as_json_without_what_is_empty() -> None:
    label = field(1, b"k") + field(2, b"v")
    metadata = field(1, b"c") + field(2, b"") + field(7, 0) + field(8, b"") + field(11, label)
    data = field(2, field(1, b"a") + field(2, b"b")) + field(2, field(1, b"empty") + field(2, b""))
    found = protobuf.decode(envelope(b"v1", b"ConfigMap", field(1, metadata) + data))
    assert found.pop("metadata").items() >= {"name": "c", "labels": {"k": "v"}}.items()
    assert found == {"kind": "ConfigMap", "apiVersion": "v1", "data": {"a": "b", "empty": ""}}
    secret = protobuf.decode(envelope(b"v1", b"Secret", field(2, field(1, b"a") + field(2, b"\x00\x01"))))
    assert secret["data"] == {"a": "AAE="}


def test_lists_of_objects() -> None:
    rule = field(1, b"get") + field(1, b"list") + field(3, b"pods")
    role = protobuf.decode(envelope(b"rbac.authorization.k8s.io/v1", b"Role", field(2, rule) + field(2, rule)))
    assert role["rules"] == [{"verbs": ["get", "list"], "resources": ["pods"]}] * 2


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{}", "magic bytes"),
        (b"k8s\x00", "without a kind"),
        (envelope(b"v1", b"Pod", b""), "Pod is read as JSON only"),
        (envelope(b"v1", b"ObjectMeta", b""), "ObjectMeta is read as JSON only"),
        (envelope(b"v1", b"ConfigMap", b"\x0a\xff"), "the body is no ConfigMap"),
        (envelope(b"v1", b"ConfigMap", field(15, b"x")), "fields that are read as JSON only"),
    ],
)
def test_what_is_not_read_is_refused_with_a_way_out(body: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        protobuf.decode(body)

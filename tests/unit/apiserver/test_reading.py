"""Small readers: request paths, JSONPath, durations, selectors, protobuf."""

import pytest

from mnist_local.apiserver import jsonpath, protobuf
from mnist_local.apiserver.errors import ApiError
from mnist_local.apiserver.requestinfo import parse
from mnist_local.apiserver.selectors import match_fields, parse_fields, parse_labels
from mnist_local.apiserver.tables.duration import human


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", "/api/v1/pods", {}, ("list", "", "pods", "", "", "")),
        ("GET", "/api/v1/namespaces/n/pods", {"watch": "1"}, ("watch", "", "pods", "", "n", "")),
        ("GET", "/api/v1/namespaces/n/pods", {"watch": "false"}, ("list", "", "pods", "", "n", "")),
        ("GET", "/api/v1/watch/namespaces/n/pods", {}, ("watch", "", "pods", "", "n", "")),
        ("GET", "/api/v1/namespaces/n/pods/p/log", {}, ("get", "", "pods", "log", "n", "p")),
        ("GET", "/api/v1/namespaces/n", {}, ("get", "", "namespaces", "", "n", "n")),
        ("PUT", "/api/v1/namespaces/n/finalize", {}, ("update", "", "namespaces", "finalize", "n", "n")),
        ("PATCH", "/apis/g.io/v1/namespaces/n/things/t/status", {}, ("patch", "g.io", "things", "status", "n", "t")),
        ("DELETE", "/apis/g.io/v1/namespaces/n/things", {}, ("deletecollection", "g.io", "things", "", "n", "")),
        ("GET", "/api/v1/pods", {"fieldSelector": "metadata.name=p"}, ("list", "", "pods", "", "", "p")),
        ("GET", "/apis/g.io/v1", {}, ("get", "", "", "", "", "")),
        ("GET", "/healthz", {}, ("get", "", "", "", "", "")),
    ],
)  # fmt: skip
def test_requests(method: str, path: str, query: dict, expected: tuple) -> None:
    info = parse(method, path, query)
    assert (info.verb, info.group, info.resource, info.subresource, info.namespace, info.name) == expected


OBJ = {
    "spec": {"a.b": 1, "list": [{"k": "x", "v": 1}, {"k": "y", "v": 2}], "name": "n"},
    "status": {"conditions": [{"type": "Up", "status": "True"}, {"type": "Down", "status": "False"}]},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.name", ["n"]),
        ("{.spec.name}", ["n"]),
        (".spec.none.deeper", []),
        ('.status.conditions[?(@.type=="Up")].status', ["True"]),
        (".status.conditions[?(@.type=='Down')].status", ["False"]),
        (".spec.list[?(@.v>1)].k", ["y"]),
        (".spec.list[0].k", ["x"]),
        (".spec.list[-1].k", ["y"]),
        (".spec.list[*].k", ["x", "y"]),
        (".spec.list[0:1].k", ["x"]),
        (".spec.list[0,1].v", [1, 2]),
        (r".spec.a\.b", [1]),
        (".spec['a.b']", [1]),
        ("..k", ["x", "y"]),
    ],
)
def test_json_paths(path: str, found: list) -> None:
    assert jsonpath.find(OBJ, path) == found


@pytest.mark.parametrize("path", [".a[", ".a[?(x)]", ".a[b]", ".a]"])
def test_malformed_json_paths(path: str) -> None:
    with pytest.raises(jsonpath.PathError):
        jsonpath.find(OBJ, path)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (600, "10m"), (10_799, "179m"), (10_800, "3h"),
        (12_000, "3h20m"), (28_800, "8h"), (172_799, "47h"), (172_800, "2d"), (180_000, "2d2h"), (691_200, "8d"),
        (63_072_000, "2y"), (70_000_000, "2y80d"), (-5, "<invalid>"),
    ],
)  # fmt: skip
def test_durations(seconds: int, shown: str) -> None:
    assert human(seconds) == shown


def test_selectors_that_cannot_be_read() -> None:
    for text in ("a=b=c", "a in b", "=a", "a b"):
        with pytest.raises(ApiError):
            parse_labels(text)
    with pytest.raises(ApiError):
        parse_fields("metadata.name")


def test_field_selectors_with_escapes() -> None:
    match = match_fields(parse_fields(r"spec.x=a\,b,spec.y!=1"))
    assert match is not None
    assert match({"spec": {"x": "a,b", "y": 2}})
    assert not match({"spec": {"x": "a,b", "y": 1}})


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, len(value)]) + value


def envelope(version: bytes, kind: bytes, message: bytes) -> bytes:
    return b"k8s\x00" + field(1, field(1, version) + field(2, kind)) + field(2, message)


def test_protobuf_bodies() -> None:
    metadata = field(1, b"c") + field(11, field(1, b"k") + field(2, b"v"))
    body = envelope(b"v1", b"ConfigMap", field(1, metadata) + field(2, field(1, b"a") + field(2, b"b")))
    assert protobuf.decode(body) == {
        "kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c", "labels": {"k": "v"}}, "data": {"a": "b"},
    }  # fmt: skip
    secret = envelope(b"v1", b"Secret", field(2, field(1, b"a") + field(2, b"\x00\x01")))
    assert protobuf.decode(secret)["data"] == {"a": "AAE="}


@pytest.mark.parametrize(
    "body",
    [
        b"{}", b"k8s\x00", envelope(b"v1", b"Unheard", b""), envelope(b"v1", b"ConfigMap", b"\x0a\xff"),
        envelope(b"v1", b"ConfigMap", field(15, b"x")),
    ],
)  # fmt: skip
def test_what_is_no_protobuf_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):
        protobuf.decode(body)

"""What a request asks for, and selectors."""

import pytest

from mnist_local.apiserver.errors import ApiError
from mnist_local.apiserver.request import parse
from mnist_local.apiserver.selectors import parse_fields, parse_labels


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", "/api/v1/pods", {}, ("list", "", "pods", "", "", "")),
        ("GET", "/api/v1/namespaces/n/pods", {"watch": "1"}, ("watch", "", "pods", "", "n", "")),
        ("GET", "/api/v1/namespaces/n/pods", {"watch": "false"}, ("list", "", "pods", "", "n", "")),
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


def test_selectors_that_cannot_be_read() -> None:
    for text in ("a=b=c", "a in b", "=a", "a b"):
        with pytest.raises(ApiError):
            parse_labels(text)
    with pytest.raises(ApiError):
        parse_fields("metadata.name")

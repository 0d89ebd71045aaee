"""Lists: selectors, pages, versions, and the forms of an answer."""

import pytest
from tests.support.cluster import TABLE, Cluster


@pytest.fixture
def three(cluster: Cluster, namespace: str) -> str:
    """A namespace with the widgets a, b and c."""
    for name, labels in (("a", {"tier": "x", "n": "1"}), ("b", {"tier": "y"}), ("c", {})):
        cluster.expect(201, "POST", cluster.widgets(namespace), cluster.widget(name, labels=labels))
    return namespace


def names(answer) -> list[str]:
    return [item["metadata"]["name"] for item in answer.body["items"]]


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("tier=x", "a"),
        ("tier==x", "a"),
        ("tier!=x", "bc"),
        ("tier in (x,y)", "ab"),
        ("tier notin (x)", "bc"),
        ("tier", "ab"),
        ("!tier", "c"),
        ("tier=x,n=1", "a"),
        ("tier=x,n=2", ""),
    ],
)
def test_label_selectors(cluster: Cluster, three: str, selector: str, found: str) -> None:
    assert names(cluster.expect(200, "GET", f"{cluster.widgets(three)}?labelSelector={selector}")) == list(found)


@pytest.mark.parametrize(
    ("selector", "found"),
    [("metadata.name=b", "b"), ("metadata.name!=b", "ac"), ("metadata.namespace=other", ""), ("metadata.name=zz", "")],
)
def test_field_selectors(cluster: Cluster, three: str, selector: str, found: str) -> None:
    assert names(cluster.expect(200, "GET", f"{cluster.widgets(three)}?fieldSelector={selector}")) == list(found)


def test_only_known_fields_select(cluster: Cluster, three: str) -> None:
    refused = cluster.expect(400, "GET", f"{cluster.widgets(three)}?fieldSelector=spec.size=1").body
    assert refused["message"] == "field label not supported: spec.size"


def test_secrets_are_selected_by_type(cluster: Cluster, namespace: str) -> None:
    path = cluster.core(namespace, "secrets")
    cluster.expect(201, "POST", path, {"metadata": {"name": "a"}})
    cluster.expect(201, "POST", path, {"metadata": {"name": "b"}, "type": "example.com/kind"})
    assert names(cluster.expect(200, "GET", f"{path}?fieldSelector=type=example.com/kind")) == ["b"]


def test_pages_show_one_moment(cluster: Cluster, three: str) -> None:
    path = cluster.widgets(three)
    first = cluster.expect(200, "GET", f"{path}?limit=2")
    assert names(first) == ["a", "b"]
    assert first.body["metadata"]["remainingItemCount"] == 1
    token = first.body["metadata"]["continue"]
    cluster.expect(201, "POST", path, cluster.widget("bb"))
    cluster.expect(200, "DELETE", cluster.widgets(three, "c"))
    second = cluster.expect(200, "GET", f"{path}?limit=2&continue={token}")
    assert names(second) == ["c"]
    assert not second.body["metadata"].get("continue")
    assert second.body["metadata"]["resourceVersion"] == first.body["metadata"]["resourceVersion"]


def test_versions_out_of_reach_are_refused(cluster: Cluster, three: str) -> None:
    path = cluster.widgets(three)
    refused = cluster.expect(504, "GET", f"{path}?resourceVersion=999999999999").body
    assert refused["reason"] == "Timeout"
    assert refused["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    cluster.expect(400, "GET", f"{path}?resourceVersion=abc")
    answer = cluster.expect(422, "GET", f"{path}?resourceVersionMatch=Exact")
    assert answer.fields == {"resourceVersionMatch"}
    cluster.expect(400, "GET", f"{path}?continue=nonsense")


def test_lists_across_namespaces(cluster: Cluster, three: str) -> None:
    everywhere = cluster.expect(200, "GET", f"/apis/{cluster.widget_group}/v1/widgets").body
    assert everywhere["kind"] == "WidgetList"
    assert everywhere["apiVersion"] == f"{cluster.widget_group}/v1"
    mine = [item["metadata"]["name"] for item in everywhere["items"] if item["metadata"]["namespace"] == three]
    assert mine == ["a", "b", "c"]


def columns(table) -> list[tuple[str, str, int]]:
    return [(c["name"], c["type"], c["priority"]) for c in table["columnDefinitions"]]


def test_tables_by_printer_columns(cluster: Cluster, namespace: str) -> None:
    path = cluster.widgets(namespace, "one")
    cluster.expect(201, "POST", cluster.widgets(namespace), cluster.widget("one", {"size": 3, "note": "hey"}))
    status = {"phase": "Done", "since": "2020-01-01T00:00:00Z", "conditions": [{"type": "Up", "status": "True"}]}
    cluster.expect(200, "PATCH", path + "/status", {"status": status}, content_type="application/merge-patch+json")
    table = cluster.expect(200, "GET", cluster.widgets(namespace), accept=TABLE).body
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert columns(table) == [
        ("Name", "string", 0), ("Size", "integer", 0), ("Phase", "string", 0), ("Up", "string", 0),
        ("Note", "string", 1), ("Since", "date", 0),
    ]  # fmt: skip
    assert table["columnDefinitions"][2]["description"] == "Where it stands."
    row = table["rows"][0]
    assert row["cells"][:5] == ["one", 3, "Done", "True", "hey"]
    assert row["cells"][5].endswith("d")
    assert row["object"]["kind"] == "PartialObjectMetadata"
    assert row["object"]["metadata"]["name"] == "one"

"""Watches: versions, initial events, bookmarks, selections, tables."""

from collections.abc import Iterator

from tests.support.cluster import MERGE, TABLE, Cluster


def seen(events: Iterator[dict], count: int) -> list[tuple[str, str]]:
    return [
        (event["type"], event["object"]["metadata"]["name"]) for _, event in zip(range(count), events, strict=False)
    ]


def make(cluster: Cluster, namespace: str, name: str, **metadata) -> dict:
    return cluster.expect(201, "POST", cluster.widgets(namespace), cluster.widget(name, **metadata)).body


def test_changes_after_a_version(cluster: Cluster, namespace: str) -> None:
    make(cluster, namespace, "before")
    version = cluster.expect(200, "GET", cluster.widgets(namespace)).body["metadata"]["resourceVersion"]
    make(cluster, namespace, "a")
    with cluster.watching(cluster.widgets(namespace), resourceVersion=version) as events:
        cluster.expect(200, "PATCH", cluster.widgets(namespace, "a"), {"spec": {"size": 2}}, content_type=MERGE)
        cluster.expect(200, "DELETE", cluster.widgets(namespace, "a"))
        assert seen(events, 3) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_without_a_version_the_present_state_comes_first(cluster: Cluster, namespace: str) -> None:
    make(cluster, namespace, "a")
    make(cluster, namespace, "b")
    with cluster.watching(cluster.widgets(namespace)) as events:
        assert seen(events, 2) == [("ADDED", "a"), ("ADDED", "b")]
        make(cluster, namespace, "c")
        assert seen(events, 1) == [("ADDED", "c")]


def test_one_object_by_its_name(cluster: Cluster, namespace: str) -> None:
    make(cluster, namespace, "a")
    with cluster.watching(f"{cluster.widgets(namespace)}?fieldSelector=metadata.name=b") as events:
        make(cluster, namespace, "c")
        make(cluster, namespace, "b")
        assert seen(events, 1) == [("ADDED", "b")]


def test_entering_and_leaving_a_selection(cluster: Cluster, namespace: str) -> None:
    version = make(cluster, namespace, "a")["metadata"]["resourceVersion"]
    path = f"{cluster.widgets(namespace)}?labelSelector=in=yes"
    label = {"metadata": {"labels": {"in": "yes"}}}
    with cluster.watching(path, resourceVersion=version) as events:
        cluster.expect(200, "PATCH", cluster.widgets(namespace, "a"), label, content_type=MERGE)
        added = next(events)
        assert added["type"] == "ADDED"
        cluster.expect(200, "PATCH", cluster.widgets(namespace, "a"), {"spec": {"size": 2}}, content_type=MERGE)
        assert next(events)["type"] == "MODIFIED"
        left = cluster.expect(
            200, "PATCH", cluster.widgets(namespace, "a"), {"metadata": {"labels": {"in": None}}}, content_type=MERGE
        ).body
        deleted = next(events)
    assert deleted["type"] == "DELETED"
    assert deleted["object"]["metadata"]["labels"] == {"in": "yes"}
    assert deleted["object"]["metadata"]["resourceVersion"] == left["metadata"]["resourceVersion"]


def test_a_watch_ends_when_its_time_is_up(cluster: Cluster, namespace: str) -> None:
    with cluster.watching(cluster.widgets(namespace), timeoutSeconds=1) as events:
        assert list(events) == []


def test_finalizers_show_as_a_modification_before_the_end(cluster: Cluster, namespace: str) -> None:
    version = make(cluster, namespace, "a", finalizers=["example.com/hold"])["metadata"]["resourceVersion"]
    path = cluster.widgets(namespace, "a")
    with cluster.watching(cluster.widgets(namespace), resourceVersion=version) as events:
        cluster.expect(200, "DELETE", path)
        marked = next(events)
        cluster.expect(200, "PATCH", path, {"metadata": {"finalizers": None}}, content_type=MERGE)
        gone = next(events)
    assert marked["type"] == "MODIFIED"
    assert marked["object"]["metadata"]["deletionTimestamp"]
    assert gone["type"] == "DELETED"


def test_tables_are_watched(cluster: Cluster, namespace: str) -> None:
    make(cluster, namespace, "a")
    answer = cluster.request("GET", f"{cluster.widgets(namespace)}?watch=1&timeoutSeconds=2", accept=TABLE)
    event = answer.body  # another one would make it no JSON
    assert event["type"] == "ADDED"
    table = event["object"]
    assert table["kind"] == "Table"
    assert table["columnDefinitions"][0]["name"] == "Name"
    assert table["rows"][0]["cells"][:2] == ["a", 1]


def test_many_changes_come_in_order(cluster: Cluster, namespace: str) -> None:
    with cluster.watching(cluster.core(namespace, "secrets"), resourceVersion=0) as events:
        for index in range(60):
            cluster.expect(201, "POST", cluster.core(namespace, "secrets"), {"metadata": {"name": f"s{index:02}"}})
        assert seen(events, 60) == [("ADDED", f"s{index:02}") for index in range(60)]

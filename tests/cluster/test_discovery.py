"""What a client learns about the API: discovery, OpenAPI, health."""

from tests.support.cluster import Cluster


def test_version_and_health(cluster: Cluster) -> None:
    info = cluster.expect(200, "GET", "/version").body
    assert info["major"] == "1"
    assert int(info["minor"].rstrip("+")) >= 33
    for path in ("/healthz", "/livez", "/readyz"):
        assert cluster.expect(200, "GET", path).body == "ok"


def test_groups_and_resources(cluster: Cluster) -> None:
    assert cluster.expect(200, "GET", "/api").body["versions"] == ["v1"]
    groups = {group["name"]: group for group in cluster.expect(200, "GET", "/apis").body["groups"]}
    assert groups["batch"]["preferredVersion"] == {"groupVersion": "batch/v1", "version": "v1"}
    assert cluster.widget_group in groups
    core = {r["name"]: r for r in cluster.expect(200, "GET", "/api/v1").body["resources"]}
    assert core["pods"]["shortNames"] == ["po"]
    assert core["pods"]["categories"] == ["all"]
    assert core["pods/log"]["verbs"] == ["get"]
    assert core["serviceaccounts/token"]["kind"] == "TokenRequest"
    assert core["namespaces"]["namespaced"] is False


def test_custom_resources_are_discovered(cluster: Cluster) -> None:
    listed = cluster.expect(200, "GET", f"/apis/{cluster.widget_group}/v1").body
    assert listed["kind"] == "APIResourceList"
    widgets = next(resource for resource in listed["resources"] if resource["name"] == "widgets")
    assert widgets["singularName"] == "widget"
    assert widgets["shortNames"] == ["wdg"]
    assert widgets["categories"] == ["toys"]
    assert sorted(widgets["verbs"]) == [
        "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
    ]  # fmt: skip
    status = next(resource for resource in listed["resources"] if resource["name"] == "widgets/status")
    assert sorted(status["verbs"]) == ["get", "patch", "update"]


def test_openapi_describes_custom_resources(cluster: Cluster) -> None:
    paths = cluster.expect(200, "GET", "/openapi/v3").body["paths"]
    where = paths[f"apis/{cluster.widget_group}/v1"]["serverRelativeURL"]
    document = cluster.expect(200, "GET", where).body
    assert document["openapi"].startswith("3.")
    kinds = [
        schema
        for schema in document["components"]["schemas"].values()
        if {"group": cluster.widget_group, "version": "v1", "kind": "Widget"}
        in schema.get("x-kubernetes-group-version-kind", [])
    ]
    assert kinds[0]["properties"]["spec"]["properties"]["size"]["description"] == "How big it is."
    item = document["paths"][f"/apis/{cluster.widget_group}/v1/namespaces/{{namespace}}/widgets/{{name}}"]
    assert "fieldValidation" in {parameter["name"] for parameter in item["patch"]["parameters"]}

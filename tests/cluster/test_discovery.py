"""What a client learns about the API: discovery in both forms, OpenAPI, health."""

from tests.support.cluster import Cluster

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


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


def test_aggregated_discovery(cluster: Cluster) -> None:
    answer = cluster.expect(200, "GET", "/apis", accept=AGGREGATED)
    assert answer.headers["Content-Type"] == AGGREGATED
    assert answer.body["kind"] == "APIGroupDiscoveryList"
    groups = {item["metadata"]["name"]: item for item in answer.body["items"]}
    (version,) = groups[cluster.widget_group]["versions"]
    assert version["freshness"] == "Current"
    widgets = next(r for r in version["resources"] if r["resource"] == "widgets")
    assert widgets["scope"] == "Namespaced"
    assert widgets["responseKind"]["kind"] == "Widget"
    assert [sub["subresource"] for sub in widgets["subresources"]] == ["status"]
    core = cluster.expect(200, "GET", "/api", accept=AGGREGATED).body["items"]
    assert {"pods", "secrets", "events"} <= {r["resource"] for r in core[0]["versions"][0]["resources"]}


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

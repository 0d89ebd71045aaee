"""The `scale` subresource of a custom resource: what `kubectl scale` needs."""

from tests.support.cluster import JSON_PATCH, MERGE, Cluster


def test_kubectl_scale_changes_the_number_and_nothing_else(cluster: Cluster, namespace: str) -> None:
    before = cluster.expect(201, "POST", cluster.widgets(namespace), cluster.widget("w", {"size": 2, "note": "n"})).body
    cluster.kubectl("scale", "wdg", "w", "-n", namespace, "--replicas=4")
    after = cluster.expect(200, "GET", cluster.widgets(namespace, "w")).body
    assert after["spec"] == {**before["spec"], "size": 4}
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
    cluster.kubectl("scale", "wdg", "w", "-n", namespace, "--current-replicas=4", "--replicas=5")
    done = cluster.kubectl("scale", "wdg", "w", "-n", namespace, "--current-replicas=4", "--replicas=6", check=False)
    assert done.returncode == 1
    assert cluster.expect(200, "GET", cluster.widgets(namespace, "w")).body["spec"]["size"] == 5


def test_a_scale_shows_what_is_wanted_and_what_there_is(cluster: Cluster, namespace: str) -> None:
    path = cluster.widgets(namespace, "w")
    made = cluster.expect(201, "POST", cluster.widgets(namespace), cluster.widget("w", {"size": 2})).body
    cluster.expect(200, "PATCH", path + "/status", {"status": {"count": 1}}, content_type=MERGE)
    scale = cluster.expect(200, "GET", path + "/scale").body
    assert (scale["apiVersion"], scale["kind"]) == ("autoscaling/v1", "Scale")
    assert scale["metadata"]["uid"] == made["metadata"]["uid"]
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 1})
    cluster.expect(404, "GET", cluster.widgets(namespace, "none") + "/scale")
    listed = cluster.expect(200, "GET", f"/apis/{cluster.widget_group}/v1").body["resources"]
    found = next(one for one in listed if one["name"] == "widgets/scale")
    assert (found["group"], found["version"], found["kind"]) == ("autoscaling", "v1", "Scale")
    assert set(found["verbs"]) == {"get", "patch", "update"}


def test_a_scale_is_written_by_put_and_by_patches(cluster: Cluster, namespace: str) -> None:
    path = cluster.widgets(namespace, "w")
    cluster.expect(201, "POST", cluster.widgets(namespace), cluster.widget("w", {"size": 2}))
    cluster.expect(200, "PATCH", path + "/scale", {"spec": {"replicas": 3}}, content_type=MERGE)
    operation = {"op": "replace", "path": "/spec/replicas", "value": 4}
    changed = cluster.expect(200, "PATCH", path + "/scale", [operation], content_type=JSON_PATCH).body
    assert changed["spec"]["replicas"] == 4
    stale = {**changed, "spec": {"replicas": 6}}
    cluster.expect(200, "PUT", path + "/scale", {**changed, "spec": {"replicas": 5}})
    cluster.expect(409, "PUT", path + "/scale", stale)
    cluster.expect(200, "PATCH", path + "/scale?dryRun=All", {"spec": {"replicas": 9}}, content_type=MERGE)
    seen = cluster.expect(200, "GET", path).body
    assert seen["spec"]["size"] == 5
    assert "scale" in {entry.get("subresource") for entry in seen["metadata"]["managedFields"]}


def test_a_scale_obeys_the_rules_of_its_kind(cluster: Cluster, namespace: str) -> None:
    path = cluster.widgets(namespace, "w") + "/scale"
    cluster.expect(201, "POST", cluster.widgets(namespace), cluster.widget("w", {"size": 2}))
    cluster.expect(422, "PATCH", path, {"spec": {"replicas": -1}}, content_type=MERGE)
    too_many = cluster.expect(422, "PATCH", path, {"spec": {"replicas": 11}}, content_type=MERGE)
    assert "spec.size" in too_many.fields
    assert cluster.expect(200, "GET", path).body["spec"]["replicas"] == 2

"""Events: one object, two versions; and the small kinds the product leans on."""

from tests.support.cluster import Cluster


def core_event(namespace: str, name: str, about: str) -> dict:
    return {
        "metadata": {"name": name},
        "involvedObject": {"kind": "Widget", "namespace": namespace, "name": about, "uid": f"uid-of-{about}"},
        "reason": "Tested", "message": "a sentence", "type": "Normal", "count": 3,
        "source": {"component": "tests"},
        "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:01:00Z",
    }  # fmt: skip


def new_event(namespace: str, name: str) -> dict:
    return {
        "metadata": {"name": name}, "eventTime": "2026-01-01T00:00:00.123456Z", "action": "Testing",
        "reason": "Tested", "note": "a sentence", "type": "Warning", "reportingController": "example.com/tests",
        "reportingInstance": "one", "regarding": {"kind": "Widget", "namespace": namespace, "name": "w"},
    }  # fmt: skip


def test_new_events_are_seen_as_core_ones(cluster: Cluster, namespace: str) -> None:
    made = cluster.expect(
        201, "POST", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events", new_event(namespace, "e")
    ).body
    assert made["regarding"]["name"] == "w"
    seen = cluster.expect(200, "GET", cluster.core(namespace, "events", "e")).body
    assert (seen["apiVersion"], seen["kind"]) == ("v1", "Event")
    assert seen["involvedObject"]["name"] == "w"
    assert seen["message"] == "a sentence"
    assert seen["reportingComponent"] == "example.com/tests"
    assert seen["eventTime"] == "2026-01-01T00:00:00.123456Z"
    assert seen["metadata"]["uid"] == made["metadata"]["uid"]


def test_events_are_selected_by_what_they_are_about(cluster: Cluster, namespace: str) -> None:
    for name, about in (("a", "x"), ("b", "y")):
        cluster.expect(201, "POST", cluster.core(namespace, "events"), core_event(namespace, name, about))
    path = cluster.core(namespace, "events")
    for selector, found in (
        ("involvedObject.name=x", ["a"]),
        ("involvedObject.name=y,involvedObject.kind=Widget", ["b"]),
        ("involvedObject.uid=uid-of-x", ["a"]),
        ("reason=Tested,type!=Warning", ["a", "b"]),
        ("source=tests", ["a", "b"]),
        ("type=Warning", []),
    ):
        items = cluster.expect(200, "GET", f"{path}?fieldSelector={selector}").body["items"]
        assert [item["metadata"]["name"] for item in items] == found, selector
    cluster.expect(400, "GET", f"{path}?fieldSelector=message=x")


def test_leases_are_taken_over_with_a_version(cluster: Cluster, namespace: str) -> None:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    spec = {"holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z"}
    made = cluster.expect(201, "POST", path, {"metadata": {"name": "l"}, "spec": spec}).body
    taken = {**made, "spec": {**made["spec"], "holderIdentity": "b"}}
    cluster.expect(200, "PUT", f"{path}/l", taken)
    assert cluster.expect(409, "PUT", f"{path}/l", taken).body["reason"] == "Conflict"


def test_services_get_an_address(cluster: Cluster, namespace: str) -> None:
    path = cluster.core(namespace, "services")
    made = cluster.expect(201, "POST", path, {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}).body
    spec = made["spec"]
    assert spec["type"] == "ClusterIP"
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert spec["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    headless = {"metadata": {"name": "h"}, "spec": {"clusterIP": "None", "selector": {"a": "b"}}}
    assert cluster.expect(201, "POST", path, headless).body["spec"]["clusterIP"] == "None"


def test_jobs_get_a_selector_of_their_own(cluster: Cluster, namespace: str) -> None:
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    pod = {"containers": [{"name": "c", "image": "none"}], "restartPolicy": "Never"}
    made = cluster.expect(
        201, "POST", path, {"metadata": {"name": "j"}, "spec": {"suspend": True, "template": {"spec": pod}}}
    ).body
    uid = made["metadata"]["uid"]
    assert made["spec"]["selector"]["matchLabels"] == {"batch.kubernetes.io/controller-uid": uid}
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert labels["batch.kubernetes.io/job-name"] == labels["job-name"] == "j"
    assert (made["spec"]["completions"], made["spec"]["parallelism"], made["spec"]["backoffLimit"]) == (1, 1, 6)
    always = {"metadata": {"name": "k"}, "spec": {"template": {"spec": {**pod, "restartPolicy": "Always"}}}}
    assert cluster.expect(422, "POST", path, always).fields == {"spec.template.spec.restartPolicy"}


def test_pods_are_filled_in_and_checked(cluster: Cluster, namespace: str) -> None:
    path = cluster.core(namespace, "pods")
    limits = {"cpu": "500m", "memory": "1Gi"}
    container = {"name": "c", "image": "example.com/x:1", "resources": {"limits": limits}}
    made = cluster.expect(201, "POST", path, {"metadata": {"name": "p"}, "spec": {"containers": [container]}}).body
    spec = made["spec"]
    assert (spec["restartPolicy"], spec["dnsPolicy"], spec["terminationGracePeriodSeconds"]) == (
        "Always",
        "ClusterFirst",
        30,
    )
    assert spec["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    assert spec["containers"][0]["resources"]["requests"] == limits
    assert made["status"]["phase"] == "Pending"
    answer = cluster.expect(422, "POST", path, {"metadata": {"name": "q"}, "spec": {"containers": []}})
    assert answer.fields == {"spec.containers"}

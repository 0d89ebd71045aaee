"""Finalizers, owner references in the background, the foreground and orphaned, and the end of namespaces."""

import pytest
from tests.support.cluster import MERGE, Cluster, new_namespace
from tests.support.wait import wait_for


def make(cluster: Cluster, namespace: str, name: str, **metadata) -> dict:
    sent = {"metadata": {"name": name, **metadata}}
    return cluster.expect(201, "POST", cluster.core(namespace, "configmaps"), sent).body


def owned_by(owner: dict, **more) -> list[dict]:
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"]}
    return [{**reference, "uid": owner["metadata"]["uid"], **more}]


def exists(cluster: Cluster, namespace: str, name: str) -> bool:
    return cluster.request("GET", cluster.core(namespace, "configmaps", name)).status == 200


def gone(cluster: Cluster, namespace: str, name: str) -> None:
    wait_for(lambda: not exists(cluster, namespace, name), f"{name} to go")


def drop_finalizers(cluster: Cluster, namespace: str, name: str) -> dict:
    path = cluster.core(namespace, "configmaps", name)
    return cluster.expect(200, "PATCH", path, {"metadata": {"finalizers": None}}, content_type=MERGE).body


def test_a_finalizer_holds_an_object(cluster: Cluster, namespace: str) -> None:
    cluster.expect(201, "POST", cluster.widgets(namespace), cluster.widget("w", finalizers=["example.com/hold"]))
    path = cluster.widgets(namespace, "w")
    marked = cluster.expect(200, "DELETE", path).body
    assert marked["kind"] == "Widget"
    metadata = marked["metadata"]
    assert metadata["deletionTimestamp"]
    assert metadata["deletionGracePeriodSeconds"] == 0
    assert metadata["generation"] == 2
    again = cluster.expect(200, "DELETE", path).body["metadata"]
    assert again["deletionTimestamp"] == metadata["deletionTimestamp"]
    more = {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}
    answer = cluster.expect(422, "PATCH", path, more, content_type=MERGE)
    assert answer.fields == {"metadata.finalizers"}
    assert "no new finalizers can be added if the object is being deleted" in answer.body["message"]
    released = cluster.expect(200, "PATCH", path, {"metadata": {"finalizers": None}}, content_type=MERGE).body
    assert "finalizers" not in released["metadata"]
    cluster.expect(404, "GET", path)


def test_dependents_go_with_their_owner(cluster: Cluster, namespace: str) -> None:
    owner = make(cluster, namespace, "owner")
    child = make(cluster, namespace, "child", ownerReferences=owned_by(owner))
    make(cluster, namespace, "grandchild", ownerReferences=owned_by(child))
    make(cluster, namespace, "bystander")
    cluster.expect(200, "DELETE", cluster.core(namespace, "configmaps", "owner"))
    gone(cluster, namespace, "grandchild")
    gone(cluster, namespace, "child")
    assert exists(cluster, namespace, "bystander")


def test_dependents_with_another_owner_stay(cluster: Cluster, namespace: str) -> None:
    first, second = make(cluster, namespace, "first"), make(cluster, namespace, "second")
    make(cluster, namespace, "child", ownerReferences=owned_by(first) + owned_by(second))
    cluster.expect(200, "DELETE", cluster.core(namespace, "configmaps", "first"))
    path = cluster.core(namespace, "configmaps", "child")
    wait_for(
        lambda: [r["name"] for r in cluster.request("GET", path).body["metadata"]["ownerReferences"]] == ["second"],
        "the reference to the first owner to go",
    )


def test_orphans_stay_without_their_owner(cluster: Cluster, namespace: str) -> None:
    owner = make(cluster, namespace, "owner")
    make(cluster, namespace, "child", ownerReferences=owned_by(owner))
    cluster.expect(200, "DELETE", cluster.core(namespace, "configmaps", "owner") + "?propagationPolicy=Orphan")
    gone(cluster, namespace, "owner")
    child = cluster.expect(200, "GET", cluster.core(namespace, "configmaps", "child")).body
    assert "ownerReferences" not in child["metadata"]


def test_in_the_foreground_the_owner_goes_last(cluster: Cluster, namespace: str) -> None:
    owner = make(cluster, namespace, "owner")
    references = owned_by(owner, blockOwnerDeletion=True)
    make(cluster, namespace, "child", ownerReferences=references, finalizers=["example.com/hold"])
    path = cluster.core(namespace, "configmaps", "owner")
    marked = cluster.expect(200, "DELETE", path, {"propagationPolicy": "Foreground"}).body
    assert marked["metadata"]["finalizers"] == ["foregroundDeletion"]
    wait_for(
        lambda: (
            "deletionTimestamp"
            in cluster.request("GET", cluster.core(namespace, "configmaps", "child")).body["metadata"]
        ),
        "the child to be deleted",
    )
    assert exists(cluster, namespace, "owner")
    drop_finalizers(cluster, namespace, "child")
    gone(cluster, namespace, "child")
    gone(cluster, namespace, "owner")


def test_a_namespace_is_emptied_before_it_goes(cluster: Cluster) -> None:
    with new_namespace(cluster) as name:
        make(cluster, name, "held", finalizers=["example.com/hold"])
        make(cluster, name, "free")
        cluster.expect(201, "POST", cluster.widgets(name), cluster.widget("w"))
        answer = cluster.expect(200, "DELETE", f"/api/v1/namespaces/{name}").body
        assert (answer["kind"], answer["status"]["phase"]) == ("Namespace", "Terminating")
        gone(cluster, name, "free")
        wait_for(lambda: cluster.request("GET", cluster.widgets(name, "w")).status == 404, "the widget to go")
        refused = cluster.expect(403, "POST", cluster.core(name, "configmaps"), {"metadata": {"name": "late"}}).body
        assert refused["message"] == (
            f'configmaps "late" is forbidden: unable to create new content in namespace {name} because it is being '
            "terminated"
        )
        assert refused["details"]["causes"][0]["reason"] == "NamespaceTerminating"
        assert exists(cluster, name, "held")
        drop_finalizers(cluster, name, "held")
        wait_for(lambda: cluster.request("GET", f"/api/v1/namespaces/{name}").status == 404, "the namespace to go")


def test_namespaces_start_with_their_account_and_the_ca(cluster: Cluster, namespace: str) -> None:
    body = cluster.expect(200, "GET", f"/api/v1/namespaces/{namespace}").body
    assert body["metadata"]["labels"]["kubernetes.io/metadata.name"] == namespace
    assert body["spec"]["finalizers"] == ["kubernetes"]
    assert body["status"]["phase"] == "Active"
    path = cluster.core(namespace, "configmaps", "kube-root-ca.crt")
    wait_for(lambda: cluster.request("GET", path).status == 200, "the CA's ConfigMap")
    assert "BEGIN CERTIFICATE" in cluster.expect(200, "GET", path).body["data"]["ca.crt"]


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_finished_and_unscheduled_pods_go_at_once(cluster: Cluster, namespace: str, phase: str) -> None:
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "none"}]}}
    path = cluster.core(namespace, "pods", "p")
    cluster.expect(201, "POST", cluster.core(namespace, "pods"), pod)
    cluster.expect(200, "DELETE", path)
    cluster.expect(404, "GET", path)
    pod["spec"]["nodeName"] = "no-such-node"
    cluster.expect(201, "POST", cluster.core(namespace, "pods"), pod)
    cluster.expect(200, "PATCH", path + "/status", {"status": {"phase": phase}}, content_type=MERGE)
    cluster.expect(200, "DELETE", path)
    cluster.expect(404, "GET", path)


def test_running_pods_are_asked_to_go(cluster: Cluster, namespace: str) -> None:
    pod = {
        "metadata": {"name": "p"},
        "spec": {
            "nodeName": "no-such-node", "terminationGracePeriodSeconds": 60,
            "containers": [{"name": "c", "image": "none"}],
            "tolerations": [{"operator": "Exists"}],
        },
    }  # fmt: skip
    path = cluster.core(namespace, "pods", "p")
    cluster.expect(201, "POST", cluster.core(namespace, "pods"), pod)
    marked = cluster.expect(200, "DELETE", path).body["metadata"]
    assert marked["deletionGracePeriodSeconds"] == 60
    shorter = cluster.expect(200, "DELETE", path + "?gracePeriodSeconds=5").body["metadata"]
    assert shorter["deletionGracePeriodSeconds"] == 5
    # The kubelet says the last word.
    cluster.expect(200, "DELETE", path + "?gracePeriodSeconds=0")
    cluster.expect(404, "GET", path)

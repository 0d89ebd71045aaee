"""Two operators, one active; a hand-over skips nothing and does nothing twice."""

from __future__ import annotations

from tests.integration.operator.conftest import Scene
from tests.support.wait import wait_for

LEASE = {"lease_name": "mnist-operator"}


def holder(scene: Scene) -> str:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{scene.namespace}/leases/mnist-operator"
    lease = scene.kube.get(path)
    return "" if lease is None else lease["spec"].get("holderIdentity", "")


def test_a_stopped_operator_hands_over_at_once(scene: Scene) -> None:
    first = scene.start_operator(**LEASE, lease_namespace=scene.namespace, identity="first")
    wait_for(lambda: holder(scene) == "first", "the first to be active")
    scene.start_operator(**LEASE, lease_namespace=scene.namespace, identity="second")
    wait_for(lambda: "standing by" in first.text(), "the second to stand by")
    scene.add_secret()
    scene.apply()
    scene.wait_cluster()
    assert first.stop() == 0
    assert holder(scene) != "first", "it gave the Lease back; nobody has to wait until its time is over"
    wait_for(lambda: holder(scene) == "second", "the second to be active")
    scene.kuberay.cluster_ready(scene.cluster())
    scene.wait_exists(f"{scene.kuberay.jobs}/mnist-1")
    assert len(scene.kube.items(scene.kuberay.clusters)) == 1


def test_a_killed_operator_is_replaced_when_its_time_is_over(scene: Scene) -> None:
    first = scene.start_operator(**LEASE, lease_namespace=scene.namespace, identity="first")
    wait_for(lambda: holder(scene) == "first", "the first to be active")
    scene.start_operator(**LEASE, lease_namespace=scene.namespace, identity="second")
    first.kill()
    wait_for(lambda: holder(scene) == "second", "the second to be active")
    scene.add_secret()
    scene.apply()
    scene.wait_cluster()


def test_an_operator_that_lost_the_lease_ends(scene: Scene) -> None:
    operator = scene.start_operator(**LEASE, lease_namespace=scene.namespace, identity="first")
    wait_for(lambda: holder(scene) == "first", "the operator to be active")
    path = f"/apis/coordination.k8s.io/v1/namespaces/{scene.namespace}/leases/mnist-operator"
    scene.kube.merge(path, {"spec": {"holderIdentity": "somebody", "leaseDurationSeconds": 3600}})
    wait_for(lambda: operator.process.poll() is not None, "the operator to end")
    assert operator.process.returncode == 1

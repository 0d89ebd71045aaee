"""From a manifest to Succeeded, through a real operator process and a real API."""

from __future__ import annotations

import json
import re

import pytest
from tests.integration.operator.conftest import Scene
from tests.support.wait import wait_for

from mnist_kube.objects import controller_uid


def test_a_training_becomes_its_children_and_a_result(scene: Scene) -> None:
    scene.start_operator()
    scene.add_secret()
    training = scene.apply()
    scene.walk_to_running()

    core = f"/api/v1/namespaces/{scene.namespace}"
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{scene.namespace}"
    children = [
        f"{core}/secrets/mnist-storage",
        f"{core}/serviceaccounts/mnist-head",
        f"{core}/serviceaccounts/mnist-worker",
        f"{rbac}/roles/mnist-trainer",
        f"{rbac}/rolebindings/mnist-trainer",
        f"{scene.kuberay.clusters}/{scene.cluster()}",
        f"{scene.kuberay.jobs}/mnist-1",
    ]
    for path in children:
        child = scene.kube.get(path)
        assert child is not None, path
        assert controller_uid(child) == training["metadata"]["uid"], path

    scene.kuberay.report("mnist", state="Training", epoch=3, epochs=5, progressPercent=60, accuracy=0.98)
    assert scene.status()["training"]["progressPercent"] == 60
    scene.kuberay.seal("mnist")
    status = scene.wait_status(phase="Succeeded")
    assert scene.wait_exists(f"{scene.kuberay.jobs}/mnist-1")["status"]["jobStatus"] == "RUNNING", "it closes later"
    scene.kuberay.job_ends("mnist-1", well=True)
    assert status["result"]["accuracy"] == 0.9912
    assert status["training"]["progressPercent"] == 100, "the operator leaves the trainer's part alone"
    assert status["observedGeneration"] == 1
    conditions = {condition["type"]: condition["status"] for condition in status["conditions"]}
    assert conditions == {
        "Accepted": "True",
        "ClusterReady": "True",
        "JobRunning": "False",
        "Complete": "True",
    }
    wait_for(lambda: scene.kube.get(f"{scene.kuberay.clusters}/{scene.cluster()}") is None, "the cluster to be freed")
    assert scene.kube.get(f"{scene.kuberay.jobs}/mnist-1") is not None, "the job stays to be looked at"
    wait_for(
        lambda: scene.events() == ["JobStarting", "Running", "Succeeded"],
        f"one event for each step, not {scene.events()}",
    )


def requests(text: str) -> dict[str, float]:
    found = re.findall(r'mnist_operator_api_requests_total\{code="(\d+)",verb="(\w+)"\} ([\d.]+)', text)
    return {f"{verb} {code}": float(number) for code, verb, number in found}


def test_a_whole_life_takes_few_requests_and_a_training_at_rest_none(scene: Scene, unused_tcp_port: int) -> None:
    import urllib3

    scene.start_operator(health_port=str(unused_tcp_port), bind_address="127.0.0.1")
    base = f"http://127.0.0.1:{unused_tcp_port}"

    def ready() -> bool:
        try:
            return urllib3.request("GET", f"{base}/readyz", retries=False).status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def count() -> float:
        return sum(requests(urllib3.request("GET", f"{base}/metrics").data.decode()).values())

    wait_for(ready, "the operator to be ready")
    start = count()
    scene.add_secret()
    scene.apply()
    scene.walk_to_running()
    scene.kuberay.seal("mnist")
    scene.kuberay.job_ends("mnist-1", well=True)
    scene.wait_status(phase="Succeeded")
    wait_for(lambda: scene.kube.get(f"{scene.kuberay.clusters}/{scene.cluster()}") is None, "the cluster to be freed")
    wait_for(lambda: "Succeeded" in scene.events(), "the last event")
    life = count() - start
    assert life <= 16, requests(urllib3.request("GET", f"{base}/metrics").data.decode())

    at_rest = count()
    scene.kube.merge(f"{scene.trainings}/mnist", {"metadata": {"labels": {"looked": "at"}}})
    scene.apply("other", {"runPolicy": {"suspend": True}})
    scene.wait_status("other", phase="Suspended")
    assert count() - at_rest <= 2, "the other's status and event; none for the one at rest"


def test_no_credential_is_seen_outside_its_secret(scene: Scene) -> None:
    operator = scene.start_operator()
    scene.add_secret()
    scene.apply()
    scene.walk_to_running()
    events = f"/apis/events.k8s.io/v1/namespaces/{scene.namespace}/events"
    paths = (scene.trainings, scene.kuberay.clusters, scene.kuberay.jobs, events)
    seen = [operator.text(), *(json.dumps(scene.kube.items(path)) for path in paths)]
    assert "canary" not in "".join(seen)
    assert "Y2FuYXJ5" not in "".join(seen), "nor in base64"


@pytest.mark.parametrize("stage", ["created", "cluster", "job", "running", "sealed"])
def test_a_killed_operator_goes_on_where_it_was(scene: Scene, stage: str) -> None:
    operator = scene.start_operator()
    scene.add_secret()

    def crash(here: str) -> None:
        nonlocal operator
        if here == stage:
            operator.kill()
            operator = scene.start_operator()

    scene.apply()
    crash("created")
    scene.wait_cluster()
    crash("cluster")
    scene.kuberay.cluster_ready(scene.cluster())
    scene.wait_exists(f"{scene.kuberay.jobs}/mnist-1")
    crash("job")
    scene.kuberay.job_runs("mnist-1")
    scene.wait_status(phase="Running")
    crash("running")
    scene.kuberay.seal("mnist")
    scene.kuberay.job_ends("mnist-1", well=True)
    crash("sealed")
    status = scene.wait_status(phase="Succeeded")
    assert (status["attempt"], status["failures"]) == (1, 0)
    assert [job["metadata"]["name"] for job in scene.kube.items(scene.kuberay.jobs)] == ["mnist-1"]
    assert len(scene.kube.items(scene.kuberay.clusters)) <= 1


def test_a_stopped_operator_ends_quickly_and_well(scene: Scene) -> None:
    operator = scene.start_operator()
    wait_for(lambda: "serving MnistTrainings" in operator.text(), "the operator to serve")
    assert operator.stop() == 0

"""RayClusters on the local KubeRay: what is made, what is shown, what is put right, what is cleaned up."""

from __future__ import annotations

import base64
import itertools
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.standin.integration.kuberay.conftest import NAMESPACE, Stack, pod_template, start_stack
from tests.support.kuberay import client, eventually, install_crds
from tests.support.processes import kill_all

from mnist_kube.errors import ApiError
from mnist_kube.resources import CORE_EVENTS, RAYCLUSTERS, SECRETS, SERVICES
from mnist_local.kuberay import names as k


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next((c for c in status.get("conditions", []) if c["type"] == kind), {})
    return found


async def test_everything_of_a_cluster_is_made_and_owned_by_it(stack: Stack) -> None:
    name = stack.name()
    cluster = await stack.ready_cluster(name, workers=2)

    secret = await stack.get(SECRETS, name)
    service = await stack.get(SERVICES, f"{name}-head-svc")
    pods = await stack.pods(name)
    for owned in (secret, service, *pods):
        (reference,) = owned["metadata"]["ownerReferences"]
        assert reference["uid"] == cluster["metadata"]["uid"]
        assert reference["controller"] is True
        assert reference["blockOwnerDeletion"] is True
    assert len(base64.b64decode(secret["data"]["auth_token"])) >= 32
    assert service["spec"]["clusterIP"] == "None"
    assert sorted(pod["metadata"]["labels"][k.NODE_TYPE_LABEL] for pod in pods) == ["head", "worker", "worker"]
    status = cluster["status"]
    assert (status["readyWorkerReplicas"], status["availableWorkerReplicas"]) == (2, 2)
    (head,) = await stack.pods(name, k.HEAD)
    assert status["head"]["podName"] == head["metadata"]["name"]
    assert status["head"]["podIP"] == head["status"]["podIP"]
    assert status["head"]["podIP"].startswith("127.")
    assert condition(status, "RayClusterProvisioned")["reason"] == "AllPodRunningAndReadyFirstTime"
    assert {"CreatedService", "CreatedHeadPod", "CreatedWorkerPod"} <= await stack.event_reasons(name)
    assert {"Created", "Started"} <= await stack.event_reasons(head["metadata"]["name"])


async def test_each_pod_has_an_address_of_its_own_and_no_secret_in_its_arguments(stack: Stack) -> None:
    name = stack.name()
    await stack.ready_cluster(name, workers=2)
    pods = await stack.pods(name)
    assert len({pod["status"]["podIP"] for pod in pods}) == 3
    secret = await stack.get(SECRETS, name)
    token = base64.b64decode(secret["data"]["auth_token"])
    for pod in pods:
        commands = [stack.command_of(pid) for pid in stack.processes_of(pod)]
        assert commands
        assert not any(token in command for command in commands)
    files = list((stack.kuberay.work_dir / "pods").rglob("ray-auth-token"))
    assert files
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)


async def test_dead_head_becomes_a_new_pod_and_its_workers_follow(stack: Stack) -> None:
    name = stack.name()
    before = (await stack.ready_cluster(name, workers=2))["status"]
    (head,) = await stack.pods(name, k.HEAD)
    old_workers = {pod["metadata"]["name"] for pod in await stack.pods(name, k.WORKER)}
    kill_all(stack.processes_of(head))

    after = await stack.until_cluster(
        name,
        lambda status: (
            status["head"].get("podName") not in {None, before["head"]["podName"]}
            and condition(status, "HeadPodReady")["status"] == "True"
        ),
    )
    assert after["status"]["state"] == "ready"
    assert condition(after["status"], "RayClusterProvisioned")["status"] == "True"

    async def workers_replaced() -> bool:
        names = {pod["metadata"]["name"] for pod in await stack.pods(name, k.WORKER)}
        return len(names) == 2 and not names & old_workers

    await eventually(workers_replaced, 60)
    await stack.until_cluster(name, lambda status: status.get("readyWorkerReplicas") == 2)
    assert "DeletedHeadPod" in await stack.event_reasons(name)


async def test_dead_worker_is_replaced_and_the_head_is_not(stack: Stack) -> None:
    name = stack.name()
    before = (await stack.ready_cluster(name, workers=2))["status"]
    lost = (await stack.pods(name, k.WORKER))[0]
    os.kill(stack.processes_of(lost)[0], signal.SIGKILL)

    async def replaced() -> bool:
        names = {pod["metadata"]["name"] for pod in await stack.pods(name, k.WORKER)}
        return len(names) == 2 and lost["metadata"]["name"] not in names

    await eventually(replaced, 60)
    after = await stack.until_cluster(name, lambda status: status.get("readyWorkerReplicas") == 2)
    assert after["status"]["head"]["podName"] == before["head"]["podName"]


async def test_deleted_pod_ends_and_is_replaced(stack: Stack) -> None:
    name = stack.name()
    await stack.ready_cluster(name)
    (worker,) = await stack.pods(name, k.WORKER)
    await stack.delete(worker)

    async def replaced() -> bool:
        names = [pod["metadata"]["name"] for pod in await stack.pods(name, k.WORKER)]
        return len(names) == 1 and names != [worker["metadata"]["name"]]

    await eventually(replaced, 60)
    assert stack.processes_of(worker) == []
    assert "Killing" in await stack.event_reasons(worker["metadata"]["name"])


async def test_replicas_are_followed_up_and_down(stack: Stack) -> None:
    name = stack.name()
    cluster = await stack.ready_cluster(name)
    groups = cluster["spec"]["workerGroupSpecs"]
    for wanted in (3, 1):
        groups[0]["replicas"] = wanted
        await stack.patch(RAYCLUSTERS, name, {"spec": {"workerGroupSpecs": groups}})
        await stack.until_cluster(
            name,
            lambda status, wanted=wanted: (
                status.get("desiredWorkerReplicas") == wanted and status.get("readyWorkerReplicas") == wanted
            ),
        )
    assert len(await stack.pods(name, k.WORKER)) == 1


async def test_suspend_frees_the_pods_and_resume_makes_others(stack: Stack) -> None:
    name = stack.name()
    first = (await stack.ready_cluster(name))["status"]
    await stack.patch(RAYCLUSTERS, name, {"spec": {"suspend": True}})
    suspended = (await stack.until_cluster(name, lambda status: status.get("state") == "suspended"))["status"]
    assert await stack.pods(name) == []
    assert condition(suspended, "RayClusterSuspended")["status"] == "True"
    assert condition(suspended, "RayClusterProvisioned")["message"] == "RayCluster has been suspended"
    assert condition(suspended, "HeadPodReady")["reason"] == "HeadPodNotFound"
    assert {"ready", "suspended"} <= set(suspended["stateTransitionTimes"])

    await stack.patch(RAYCLUSTERS, name, {"spec": {"suspend": None}})
    await stack.ready_cluster(stack.name(), workers=0)
    assert (await stack.cluster(name))["status"]["state"] == "suspended"

    await stack.patch(RAYCLUSTERS, name, {"spec": {"suspend": False}})
    resumed = (await stack.until_cluster(name, lambda status: status.get("state") == "ready"))["status"]
    assert resumed["head"]["podName"] != first["head"]["podName"]
    assert condition(resumed, "RayClusterSuspended")["status"] == "False"


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
async def test_deleting_a_cluster_ends_all_of_it(stack: Stack, policy: str) -> None:
    name = stack.name()
    cluster = await stack.ready_cluster(name, workers=2)
    pods = await stack.pods(name)
    await stack.delete(cluster, policy)

    async def gone() -> bool:
        found = [
            await stack.find(SECRETS, name),
            await stack.find(RAYCLUSTERS, name),
        ]
        return found == [None, None] and await stack.pods(name) == []

    await eventually(gone, 60)
    assert [pid for pod in pods for pid in stack.processes_of(pod)] == []


async def test_missing_secret_holds_the_head_back_until_it_appears(stack: Stack) -> None:
    name = stack.name()
    reference = {"envFrom": [{"secretRef": {"name": f"{name}-store"}}]}
    template = pod_template("ray-head", container=reference)
    await stack.create_cluster(name, 0, headGroupSpec={"rayStartParams": {}, "template": template})
    held = await stack.until_cluster(
        name, lambda status: condition(status, "HeadPodReady").get("reason") == "CreateContainerConfigError"
    )
    message = condition(held["status"], "HeadPodReady")["message"]
    assert message.endswith(f'ray-head: secret "{name}-store" not found')
    (head,) = await stack.pods(name, k.HEAD)
    assert head["status"]["phase"] == "Pending"
    assert "Failed" in await stack.event_reasons(head["metadata"]["name"])

    data = {"AWS_ACCESS_KEY_ID": base64.b64encode(b"me").decode()}
    metadata = {"name": f"{name}-store", "namespace": NAMESPACE}
    await stack.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})
    await stack.until_cluster(name, lambda status: status.get("state") == "ready")
    (same,) = await stack.pods(name, k.HEAD)
    assert same["metadata"]["uid"] == head["metadata"]["uid"]


async def test_refused_cluster_gets_an_event_and_no_status(stack: Stack) -> None:
    name = stack.name()
    await stack.create_cluster(name, rayVersion="")

    async def told() -> bool:
        return "InvalidRayClusterSpec" in await stack.event_reasons(name)

    await eventually(told, 60)
    assert not (await stack.cluster(name)).get("status")
    assert await stack.pods(name) == []


async def test_missing_service_account_is_a_replica_failure(stack: Stack) -> None:
    name = stack.name()
    template = pod_template("ray-head", serviceAccountName=f"{name}-nobody")
    await stack.create_cluster(name, 0, headGroupSpec={"rayStartParams": {}, "template": template})
    failed = await stack.until_cluster(name, lambda status: condition(status, "ReplicaFailure"))
    failure = condition(failed["status"], "ReplicaFailure")
    assert failure["reason"] == "FailedCreateHeadPod"
    assert f'serviceaccount "{name}-nobody" not found' in failure["message"]
    assert "FailedToCreateHeadPod" in await stack.event_reasons(name)


async def test_head_that_cannot_start_is_tried_twice_and_then_backs_off(stack: Stack) -> None:
    name = stack.name()
    template = pod_template("ray-head", container={"command": ["echo no such luck; exit 3 #"]})
    await stack.create_cluster(name, 0, headGroupSpec={"rayStartParams": {}, "template": template})
    told = await stack.until_cluster(name, lambda status: condition(status, "ReplicaFailure"))
    failure = condition(told["status"], "ReplicaFailure")
    assert failure["message"] == "the head pod ended again and again: no such luck"
    (backing_off,) = [
        event["message"]
        for event in await stack.list(CORE_EVENTS)
        if event["involvedObject"]["name"] == name and event["reason"] == "BackOff"
    ]
    assert backing_off.endswith("; next try in 10 s")

    async def no_pod() -> bool:
        return await stack.pods(name) == []

    await eventually(no_pod, 60)


async def test_machine_too_busy_for_its_workers_is_said_by_the_cluster(stack: Stack) -> None:
    """What Ray does to nodes that start too slowly: they are ready, and end after a while, all of them."""
    name = stack.name()
    script = "sleep 0.5; echo 'Exception: The current node timed out during startup. This could happen'; exit 1 #"
    template = pod_template("ray-worker", container={"command": [script]})
    group = {"groupName": "workers", "replicas": 8, "minReplicas": 0, "maxReplicas": 9, "template": template}
    await stack.create_cluster(name, workerGroupSpecs=[group])
    told = await stack.until_cluster(name, lambda status: condition(status, "ReplicaFailure"), 60)
    failure = condition(told["status"], "ReplicaFailure")
    assert failure["message"].startswith("this machine is too busy for 8 workers: ")
    assert "BackOff" in await stack.event_reasons(name)
    await stack.delete(await stack.cluster(name))


async def test_nodes_start_one_after_the_other_where_one_is_allowed_at_a_time(tmp_path: Path) -> None:
    server, kuberay = start_stack(tmp_path, "--starts-at-once", "1")
    times = tmp_path / "times"
    times.mkdir()
    try:
        async with client(server.kubeconfig) as api:
            await install_crds(api)
            stack = Stack(server, kuberay, tmp_path, api)
            begin = {"command": [f"date +%s.%N > {times}/$HOSTNAME; sleep 0.3; true"]}
            head, worker = (pod_template(f"ray-{kind}", container=begin) for kind in ("head", "worker"))
            group = {"groupName": "workers", "replicas": 4, "minReplicas": 0, "maxReplicas": 9, "template": worker}
            await stack.ready_cluster(
                "c", headGroupSpec={"rayStartParams": {}, "template": head}, workerGroupSpecs=[group]
            )
            pods = await stack.pods("c")
            begun = [float((times / pod["metadata"]["name"]).read_text()) for pod in pods]
            joined = [stack.log_file(pod, pod["spec"]["containers"][0]["name"]).stat().st_mtime for pod in pods]
            assert len(begun) == 5
            spans = sorted(zip(begun, joined, strict=True))
            assert all(joined <= begun for (_, joined), (begun, _) in itertools.pairwise(spans)), spans
    finally:
        kuberay.stop()
        server.stop()
    assert kuberay.descendants() == []


async def test_schema_has_the_defaults_and_bounds_of_the_real_one(stack: Stack) -> None:
    name = stack.name()
    group = {"groupName": "workers", "template": pod_template("ray-worker")}
    made = await stack.create_cluster(name, workerGroupSpecs=[group], suspend=True)
    filled = made["spec"]["workerGroupSpecs"][0]
    defaults = {"replicas": 0, "minReplicas": 0, "maxReplicas": 2147483647, "numOfHosts": 1, "priority": 0}
    assert {field: filled[field] for field in defaults} == defaults
    assert filled["template"]["spec"]["automountServiceAccountToken"] is False

    for wrong in ({"authOptions": {"mode": "none"}}, {"headGroupSpec": {}}):
        with pytest.raises(ApiError) as refusal:
            await stack.create_cluster(stack.name(), **wrong)
        assert refusal.value.status == 422

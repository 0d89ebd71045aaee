"""Pod statuses, as a kubelet writes them."""

from __future__ import annotations

from typing import Any

import pytest

from mnist_local.kuberay.kubelet import pod_status
from mnist_local.kuberay.kubelet.pod_status import ContainerState

T0, T1, T2 = "2026-11-21T06:00:00Z", "2026-11-21T06:00:05Z", "2026-11-21T06:00:09Z"


def pod(inits: tuple[str, ...] = ()) -> dict[str, Any]:
    spec = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "i"}]}
    return {"spec": {**spec, "initContainers": [{"name": name} for name in inits]}, "status": {}}


def conditions(status: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry["type"]: entry for entry in status["conditions"]}


def compute(state: ContainerState, **options: Any) -> dict[str, Any]:
    return pod_status.compute(pod(), [], [state], options.pop("ip", "127.1.1.1"), T0, T1, **options)


def test_from_creation_to_readiness() -> None:
    state = ContainerState("main")
    created = compute(state, ip=None)
    assert created["phase"] == "Pending"
    assert "podIP" not in created
    assert created["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    ready = conditions(created)["Ready"]
    assert (ready["reason"], ready["message"]) == ("ContainersNotReady", "containers with unready status: [main]")

    running = state.run(T0, "process://1")
    started = compute(running)
    assert (started["phase"], conditions(started)["Ready"]["status"]) == ("Running", "False")
    assert started["podIPs"] == [{"ip": "127.1.1.1"}]


@pytest.mark.parametrize(("code", "phase", "reason"), [(1, "Failed", "PodFailed"), (0, "Succeeded", "PodCompleted")])
def test_after_the_end(code: int, phase: str, reason: str) -> None:
    status = compute(ContainerState("main").run(T0, "").end(code, None, T1))
    assert status["phase"] == phase
    assert conditions(status)["Ready"]["reason"] == reason
    terminated = status["containerStatuses"][0]["state"]["terminated"]
    assert (terminated["exitCode"], terminated["startedAt"], terminated["finishedAt"]) == (code, T0, T1)
    assert terminated["reason"] == ("Completed" if code == 0 else "Error")


def test_init_containers_hold_the_pod_back_and_can_fail_it() -> None:
    instance = pod(inits=("first",))
    waiting = ContainerState("main").wait("PodInitializing")
    running = [ContainerState("first").run(T0, "")]
    status = pod_status.compute(instance, running, [waiting], None, T0, T1)
    assert status["phase"] == "Pending"
    assert conditions(status)["Initialized"]["status"] == "False"
    assert status["initContainerStatuses"][0]["name"] == "first"

    failed = pod_status.compute(instance, [running[0].end(2, None, T1)], [waiting], None, T0, T2)
    assert failed["phase"] == "Failed"
    done = pod_status.compute(instance, [running[0].end(0, None, T1)], [waiting], None, T0, T2)
    assert conditions(done)["Initialized"]["status"] == "True"

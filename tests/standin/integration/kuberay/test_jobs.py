"""RayJobs on the local KubeRay."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from tests.standin.integration.kuberay.conftest import NAMESPACE, Stack
from tests.support.kuberay import eventually
from tests.support.processes import kill_all

from mnist_kube.resources import JOBS, PODS, RAYCLUSTERS, RAYJOBS
from mnist_kube.times import timestamp
from mnist_local.kuberay import names as k

ENDS = {"Complete", "Failed", "ValidationFailed"}


def ended(status: dict[str, Any]) -> bool:
    return status.get("jobDeploymentStatus") in ENDS


def running(status: dict[str, Any]) -> bool:
    return status.get("jobStatus") == "RUNNING"


async def submitter_pods(stack: Stack, job: str) -> list[dict[str, Any]]:
    return await stack.list(PODS, f"job-name={job}")


async def test_http_mode_runs_to_success(stack: Stack) -> None:
    cluster, name = stack.name(), stack.name("job")
    await stack.ready_cluster(cluster)
    await stack.create_job(name, cluster, "echo hello")
    job = await stack.until_job(name, ended)
    status = job["status"]
    assert (status["jobDeploymentStatus"], status["jobStatus"]) == ("Complete", "SUCCEEDED")
    assert (status["succeeded"], status["failed"]) == (1, 0)
    assert status["message"] == "Job finished successfully."
    assert status["dashboardURL"] == f"{cluster}-head-svc.{NAMESPACE}.svc.cluster.local:8265"
    assert status["jobId"].startswith(f"{name}-")
    assert {"startTime", "endTime"} <= set(status["rayJobInfo"])
    assert k.RAYJOB_FINALIZER in job["metadata"]["finalizers"]
    assert await stack.find(JOBS, name) is None


async def test_finalizer_comes_by_a_typed_update(stack: Stack) -> None:
    """As recorded: what Go leaves out or normalises is changed with it, and the generation tells of that."""
    name, plain = stack.name("job"), stack.name("job")
    container = {"name": "submitter", "image": "none", "command": ["true"], "resources": {"limits": {"cpu": "1000m"}}}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container], "hostNetwork": False}}
    spec = {"shutdownAfterJobFinishes": False, "backoffLimit": 0, "submitterPodTemplate": template}
    made = await stack.create_job(name, "nowhere", "true", **spec)
    await stack.create_job(plain, "nowhere", "true")
    job = await stack.until_job(name, lambda status: status.get("jobDeploymentStatus") == "Initializing")
    assert (made["metadata"]["generation"], job["metadata"]["generation"]) == (1, 2)
    assert job["metadata"]["finalizers"] == [k.RAYJOB_FINALIZER]
    assert job["metadata"]["creationTimestamp"] == made["metadata"]["creationTimestamp"]
    kept = copy.deepcopy(made["spec"])
    del kept["shutdownAfterJobFinishes"]
    del kept["submitterPodTemplate"]["spec"]["hostNetwork"]
    kept["submitterPodTemplate"]["spec"]["containers"][0]["resources"]["limits"]["cpu"] = "1"
    assert job["spec"] == kept
    assert (kept["backoffLimit"], kept["ttlSecondsAfterFinished"]) == (0, 0)

    unchanged = await stack.until_job(plain, lambda status: status.get("jobDeploymentStatus") == "Initializing")
    assert unchanged["metadata"]["generation"] == 1
    assert unchanged["status"]["rayClusterStatus"] == {
        "desiredCPU": "0", "desiredGPU": "0", "desiredMemory": "0", "desiredTPU": "0", "head": {},
    }  # fmt: skip


async def test_submitter_pod_shows_the_log(stack: Stack) -> None:
    cluster, name = stack.name(), stack.name("job")
    await stack.ready_cluster(cluster)
    await stack.create_job(name, cluster, "echo out of the job", submissionMode="K8sJobMode")
    status = (await stack.until_job(name, ended))["status"]
    assert (status["jobDeploymentStatus"], status["jobStatus"]) == ("Complete", "SUCCEEDED")
    (pod,) = await submitter_pods(stack, name)
    assert pod["status"]["phase"] == "Succeeded"
    assert "out of the job" in stack.log_of(pod, k.SUBMITTER_CONTAINER)
    batch = await stack.get(JOBS, name)
    assert batch["status"]["succeeded"] == 1
    assert "Complete" in {condition["type"] for condition in batch["status"]["conditions"]}
    assert "CreatedRayJobSubmitter" in await stack.event_reasons(name)


async def test_own_submitter_template_is_honoured(stack: Stack) -> None:
    cluster, name = stack.name(), stack.name("job")
    await stack.ready_cluster(cluster)
    script = (
        "echo mine; ray job submit --address=http://$RAY_DASHBOARD_ADDRESS "
        "--submission-id=$RAY_JOB_SUBMISSION_ID -- echo submitted by me"
    )
    container = {"name": "submitter", "image": "none", "command": ["/bin/sh", "-c", script]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    await stack.create_job(name, cluster, "unused", submissionMode="K8sJobMode", submitterPodTemplate=template)
    status = (await stack.until_job(name, ended))["status"]
    assert status["jobStatus"] == "SUCCEEDED"
    (pod,) = await submitter_pods(stack, name)
    log = stack.log_of(pod, "submitter")
    assert "mine" in log
    assert "submitted by me" in log


@pytest.mark.parametrize("mode", ["HTTPMode", "K8sJobMode"])
async def test_failed_entrypoint_tells_its_exit_code_and_log(stack: Stack, mode: str) -> None:
    cluster, name = stack.name(), stack.name("job")
    await stack.ready_cluster(cluster)
    await stack.create_job(name, cluster, "sh -c 'echo so it goes && exit 3'", submissionMode=mode)
    status = (await stack.until_job(name, ended))["status"]
    assert (status["jobDeploymentStatus"], status["jobStatus"], status["reason"]) == ("Failed", "FAILED", "AppFailed")
    assert "failed with exit code 3" in status["message"]
    assert "so it goes" in status["message"]
    assert (status["succeeded"], status["failed"]) == (0, 1)


async def test_missing_cluster_is_waited_for(stack: Stack) -> None:
    cluster, name = stack.name(), stack.name("job")
    await stack.create_job(name, cluster, "true")

    async def told() -> bool:
        return "RayClusterNotFound" in await stack.event_reasons(name)

    await eventually(told, 60)
    job = await stack.get(RAYJOBS, name)
    assert job["status"]["jobDeploymentStatus"] == "Initializing"
    assert "reason" not in job["status"]
    await stack.create_cluster(cluster, 0)
    assert (await stack.until_job(name, ended))["status"]["jobDeploymentStatus"] == "Complete"


async def test_deleting_a_running_job_stops_it_first(stack: Stack, tmp_path: Path) -> None:
    cluster, name = stack.name(), stack.name("job")
    await stack.ready_cluster(cluster)
    marker = tmp_path / "stopped"
    await stack.create_job(name, cluster, f"trap 'touch {marker}; exit' TERM; sleep 300 & wait")
    job = await stack.until_job(name, running)
    await stack.delete(job)

    async def gone() -> bool:
        return await stack.find(RAYJOBS, name) is None

    await eventually(gone, 60)
    await eventually(marker.exists, 60)
    assert (await stack.cluster(cluster))["status"]["state"] == "ready"


async def test_invalid_job_is_refused_and_never_leaves_that(stack: Stack) -> None:
    name = stack.name("job")
    await stack.create_job(name, "any", "true", backoffLimit=2)
    status = (await stack.until_job(name, ended))["status"]
    assert (status["jobDeploymentStatus"], status["reason"]) == ("ValidationFailed", "ValidationFailed")
    assert "BackoffLimit" in status["message"]
    assert "InvalidRayJobSpec" in await stack.event_reasons(name)
    await stack.patch(RAYJOBS, name, {"spec": {"backoffLimit": 0}})
    await stack.ready_cluster(stack.name(), 0)
    job = await stack.get(RAYJOBS, name)
    assert job["status"]["jobDeploymentStatus"] == "ValidationFailed"


async def test_lost_head_starts_the_job_over_under_the_same_id(stack: Stack) -> None:
    cluster, name = stack.name(), stack.name("job")
    await stack.ready_cluster(cluster)
    await stack.create_job(name, cluster, "sleep 300")
    before = (await stack.until_job(name, running))["status"]
    # Start times are written in whole seconds: the second start shows in another one.
    await eventually(lambda: timestamp() > before["rayJobInfo"]["startTime"], 10)
    (head,) = await stack.pods(cluster, k.HEAD)
    statuses: list[str] = []

    def again(status: dict[str, Any]) -> bool:
        if status.get("jobStatus") and (not statuses or statuses[-1] != status["jobStatus"]):
            statuses.append(status["jobStatus"])
        return running(status) and status["rayJobInfo"]["startTime"] != before["rayJobInfo"]["startTime"]

    kill_all(stack.processes_of(head))
    after = (await stack.until_job(name, again))["status"]
    assert "Failure" in statuses
    assert after["jobId"] == before["jobId"]
    assert after["jobDeploymentStatus"] == "Running"
    assert "jobStatusCheckFailureStartTime" not in after


async def test_unreachable_dashboard_fails_the_job_after_its_time(own_stack: Stack) -> None:
    await own_stack.ready_cluster("c", 0)
    await own_stack.create_job("job", "c", "sleep 300")
    await own_stack.until_job("job", running)
    await own_stack.patch(RAYCLUSTERS, "c", {"spec": {"suspend": True}})
    status = (await own_stack.until_job("job", ended))["status"]
    assert status["reason"] == "JobStatusCheckTimeoutExceeded"
    assert status["jobStatus"] == "Failure"
    assert "exceeded timeout of 2s" in status["message"]

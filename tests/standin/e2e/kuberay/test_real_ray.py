"""The local KubeRay with real Ray: nodes that find each other, jobs that use them, and nothing left of them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.apiserver import start_apiserver
from tests.support.kuberay import LocalKubeRay, client, eventually, install_crds, start_kuberay

from mnist_kube.client import KubeApi
from mnist_kube.resources import PODS, RAYCLUSTERS, RAYJOBS, Resource, collection_of
from mnist_local.kuberay import names as k

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

NAMESPACE = "default"
READY_S = 150.0  # eight seconds on an idle machine; tests share two cores with others
NODES = (
    "import ray; ray.init(logging_level='ERROR'); "
    "f = ray.remote(lambda: ray.util.get_node_ip_address()); "
    "print('nodes', sorted({ray.get(f.options(scheduling_strategy='SPREAD').remote()) for _ in range(8)}))"
)


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[tuple[KubeApi, LocalKubeRay, Path]]:
    server = start_apiserver(tmp_path)
    kuberay = start_kuberay(server.kubeconfig, tmp_path, server.pod_log_dir)
    try:
        async with client(server.kubeconfig) as api:
            await install_crds(api)
            yield api, kuberay, server.pod_log_dir
        assert kuberay.stop() == 0
        assert kuberay.descendants() == []
    finally:
        kuberay.stop()
        server.stop()


def ray_cluster(name: str, workers: int) -> dict[str, Any]:
    def template(container: str) -> dict[str, Any]:
        resources = {"limits": {"cpu": "1", "memory": "1Gi"}}
        body = {"name": container, "image": "none", "resources": resources}
        return {"spec": {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [body]}}

    head = {"rayStartParams": {"dashboard-host": "0.0.0.0", "num-cpus": "0"}, "template": template("ray-head")}
    group = {"groupName": "workers", "replicas": workers, "template": template("ray-worker")}
    spec = {
        "rayVersion": "2.60.0",
        "authOptions": {"mode": "token"},
        "headGroupSpec": head,
        "workerGroupSpecs": [{**group, "minReplicas": 0, "maxReplicas": 9, "numOfHosts": 1}],
    }
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": metadata, "spec": spec}


def ray_job(name: str, cluster: str, entrypoint: str, mode: str) -> dict[str, Any]:
    spec = {"clusterSelector": {k.CLUSTER_LABEL: cluster}, "entrypoint": entrypoint, "submissionMode": mode}
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": metadata, "spec": spec}


async def create(api: KubeApi, obj: dict[str, Any]) -> None:
    await api.create(collection_of(obj), obj)


async def delete(api: KubeApi, resource: Resource, name: str, propagation: str = "Background") -> None:
    path = resource.path(NAMESPACE, name)
    await api.delete(path, (await api.get(path))["metadata"]["uid"], propagation)


async def ready(api: KubeApi, name: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        found = await api.get(RAYCLUSTERS.path(NAMESPACE, name))
        return found if (found.get("status") or {}).get("state") == "ready" else None

    return await eventually(look, READY_S, poll_s=0.2)


async def until_job(api: KubeApi, name: str, condition: Any) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        found = await api.get(RAYJOBS.path(NAMESPACE, name))
        return found["status"] if condition(found.get("status") or {}) else None

    return await eventually(look, READY_S, poll_s=0.2)


def ended(status: dict[str, Any]) -> bool:
    return status.get("jobDeploymentStatus") in {"Complete", "Failed"}


async def test_jobs_run_on_all_workers_of_their_own_cluster(local: tuple[KubeApi, LocalKubeRay, Path]) -> None:
    api, kuberay, logs = local
    await create(api, ray_cluster("one", 2))
    await create(api, ray_cluster("two", 1))
    await asyncio.gather(ready(api, "one"), ready(api, "two"))
    selector = f"{k.CLUSTER_LABEL}=one,{k.NODE_TYPE_LABEL}=worker"
    pods = (await api.list(PODS.path(NAMESPACE), {"labelSelector": selector}))["items"]
    addresses = sorted(pod["status"]["podIP"] for pod in pods)
    assert len(addresses) == 2

    await create(api, ray_job("spread", "one", f'python -c "{NODES}"', "K8sJobMode"))
    status = await until_job(api, "spread", ended)
    assert status["jobStatus"] == "SUCCEEDED", status["message"]
    (log,) = logs.glob(f"{NAMESPACE}_spread-*/{k.SUBMITTER_CONTAINER}/0.log")
    assert f"nodes {addresses}" in log.read_text()

    await create(api, ray_job("broken", "two", 'python -c "print(1); raise SystemExit(3)"', "HTTPMode"))
    status = await until_job(api, "broken", ended)
    assert (status["jobDeploymentStatus"], status["reason"]) == ("Failed", "AppFailed")
    assert status["message"].startswith("Job entrypoint command failed with exit code 3")

    for name in ("one", "two"):
        await delete(api, RAYCLUSTERS, name, "Foreground")
    await eventually(lambda: len(kuberay.descendants()) == 0, 60)


async def test_lost_gcs_starts_the_job_over_on_a_new_head(local: tuple[KubeApi, LocalKubeRay, Path]) -> None:
    api, kuberay, _ = local
    await create(api, ray_cluster("c", 0))
    before = await ready(api, "c")
    await create(api, ray_job("long", "c", "sleep 600", "HTTPMode"))
    first = await until_job(api, "long", lambda status: status.get("jobStatus") == "RUNNING")
    (gcs,) = gcs_servers(kuberay.work_dir)
    os.kill(gcs, signal.SIGKILL)

    def again(status: dict[str, Any]) -> bool:
        start = status["rayJobInfo"].get("startTime")
        return status["jobStatus"] == "RUNNING" and start != first["rayJobInfo"]["startTime"]

    second = await until_job(api, "long", again)
    assert second["jobId"] == first["jobId"]
    after = await api.get(RAYCLUSTERS.path(NAMESPACE, "c"))
    assert after["status"]["head"]["podName"] != before["status"]["head"]["podName"]
    await delete(api, RAYJOBS, "long")
    await eventually(lambda: not any(line.startswith("sleep 600") for line in kuberay.descendants()), 30)


def gcs_servers(work_dir: Path) -> list[int]:
    """Pids of the GCS of every cluster of this local KubeRay."""
    mark = f"MNIST_LOCAL_WORK_DIR={work_dir}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if b"gcs/gcs_server" in (entry / "cmdline").read_bytes() and mark in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found

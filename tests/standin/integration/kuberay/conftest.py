"""A real API server of the embedded kind and a local KubeRay whose Ray is the stand-in of tests/support/fake_ray.py."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.support.apiserver import ApiServer, start_apiserver
from tests.support.kuberay import LocalKubeRay, client, eventually, fake_ray, install_crds, start_kuberay

from mnist_kube.client import KubeApi
from mnist_kube.resources import CORE_EVENTS, PODS, RAYCLUSTERS, RAYJOBS, Resource, collection_of, resource_of
from mnist_local.kuberay import names as k

NAMESPACE = "default"
_numbers = itertools.count(1)


@dataclass
class Stack:
    """API server and local KubeRay, with what tests do to them."""

    server: ApiServer
    kuberay: LocalKubeRay
    directory: Path
    api: KubeApi = field(repr=False)

    @staticmethod
    def name(prefix: str = "c") -> str:
        """A name that no other test uses."""
        return f"{prefix}{next(_numbers)}"

    async def create_cluster(self, name: str, workers: int = 1, **spec: Any) -> dict[str, Any]:
        """A RayCluster with one group `workers`."""
        group = {"groupName": "workers", "replicas": workers, "minReplicas": 0, "maxReplicas": 9, "numOfHosts": 1}
        body = {
            "apiVersion": "ray.io/v1",
            "kind": "RayCluster",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {
                "rayVersion": "2.60.0",
                "authOptions": {"mode": "token"},
                "headGroupSpec": {"rayStartParams": {"num-cpus": "0"}, "template": pod_template("ray-head")},
                "workerGroupSpecs": [{**group, "template": pod_template("ray-worker")}],
                **spec,
            },
        }
        return await self.create(body)

    async def cluster(self, name: str) -> dict[str, Any]:
        """The RayCluster."""
        return await self.get(RAYCLUSTERS, name)

    async def ready_cluster(self, name: str, workers: int = 1, **spec: Any) -> dict[str, Any]:
        """A RayCluster that is ready."""
        await self.create_cluster(name, workers, **spec)
        return await self.until_cluster(name, lambda status: status.get("state") == "ready")

    async def until_cluster(self, name: str, condition: Any, timeout_s: float = 60) -> dict[str, Any]:
        """The RayCluster once its status meets the condition."""

        async def look() -> dict[str, Any] | None:
            found = await self.cluster(name)
            return found if condition(found.get("status") or {}) else None

        return await eventually(look, timeout_s)

    async def create_job(self, name: str, cluster: str, entrypoint: str, **spec: Any) -> dict[str, Any]:
        """A RayJob on the cluster, in HTTPMode unless told otherwise."""
        if spec.get("submissionMode") == "K8sJobMode":
            spec.setdefault("submitterPodTemplate", pod_template(k.SUBMITTER_CONTAINER))
        body = {
            "apiVersion": "ray.io/v1",
            "kind": "RayJob",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {
                "entrypoint": entrypoint,
                "submissionMode": "HTTPMode",
                "clusterSelector": {k.CLUSTER_LABEL: cluster},
                **spec,
            },
        }
        return await self.create(body)

    async def until_job(self, name: str, condition: Any, timeout_s: float = 60) -> dict[str, Any]:
        """The RayJob once its status meets the condition."""

        seen: dict[str, Any] = {}

        async def look() -> dict[str, Any] | None:
            nonlocal seen
            seen = await self.get(RAYJOBS, name)
            return seen if condition(seen.get("status") or {}) else None

        try:
            return await eventually(look, timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}; the job's status is {seen.get('status')}") from error

    async def pods(self, cluster: str, node_type: str | None = None) -> list[dict[str, Any]]:
        """Pods of a cluster."""
        selector = f"{k.CLUSTER_LABEL}={cluster}" + (f",{k.NODE_TYPE_LABEL}={node_type}" if node_type else "")
        return await self.list(PODS, selector)

    async def get(self, resource: Resource, name: str) -> dict[str, Any]:
        """An object that is there."""
        return await self.api.get(resource.path(NAMESPACE, name))

    async def find(self, resource: Resource, name: str) -> dict[str, Any] | None:
        """An object, or None."""
        return await self.api.find(resource.path(NAMESPACE, name))

    async def list(self, resource: Resource, selector: str = "") -> list[dict[str, Any]]:
        """Objects with the labels."""
        answer = await self.api.list(resource.path(NAMESPACE), {"labelSelector": selector})
        return list(answer["items"])

    async def create(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Create an object."""
        return await self.api.create(collection_of(obj), obj)

    async def patch(self, resource: Resource, name: str, patch: dict[str, Any]) -> dict[str, Any]:
        """Merge a patch into an object."""
        return await self.api.patch(resource.path(NAMESPACE, name), patch)

    async def delete(self, obj: dict[str, Any], propagation: str = "Background", **options: Any) -> None:
        """Delete this very object."""
        path = resource_of(obj["apiVersion"], obj["kind"]).path_to(obj)
        await self.api.delete(path, obj["metadata"]["uid"], propagation, **options)

    async def event_reasons(self, name: str) -> set[str]:
        """Reasons of all events on objects of this name."""
        items = await self.list(CORE_EVENTS)
        return {item["reason"] for item in items if item["involvedObject"]["name"] == name}

    def log_file(self, pod: dict[str, Any], container: str) -> Path:
        """Where the API server reads a container's log."""
        metadata = pod["metadata"]
        folder = f"{metadata['namespace']}_{metadata['name']}_{metadata['uid']}"
        return self.server.pod_log_dir / folder / container / "0.log"

    def log_of(self, pod: dict[str, Any], container: str) -> str:
        """A container's log."""
        return self.log_file(pod, container).read_text()

    @staticmethod
    def command_of(pid: int) -> bytes:
        """A process's arguments, NUL after each."""
        return Path(f"/proc/{pid}/cmdline").read_bytes()

    def processes_of(self, pod: dict[str, Any]) -> list[int]:
        """Pids of all living processes of a pod's containers."""
        mark = f"MNIST_POD_UID={pod['metadata']['uid']}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found


def pod_template(name: str, container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A pod template that ends with its process and mounts no token; `container` completes its container."""
    resources = {"limits": {"cpu": "1", "memory": "512Mi"}}
    body = {"name": name, "image": "none", "resources": resources, **(container or {})}
    common = {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [body]}
    return {"spec": {**common, **spec}}


def start_stack(directory: Path, *arguments: str) -> tuple[ApiServer, LocalKubeRay]:
    """Both processes; the CRDs are installed by `stack`."""
    server = start_apiserver(directory, "--durable")
    options = [*fake_ray(directory), *arguments]
    return server, start_kuberay(server.kubeconfig, directory, server.pod_log_dir, *options)


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ApiServer, LocalKubeRay, Path]]:
    """One pair of processes for a module; nothing of them may be left."""
    directory = tmp_path_factory.mktemp("kuberay")
    server, kuberay = start_stack(directory)
    try:
        yield server, kuberay, directory
        assert kuberay.stop() == 0, kuberay.log.read_text()
        assert kuberay.descendants() == []
    finally:
        kuberay.stop()
        server.stop()


@pytest.fixture
async def stack(processes: tuple[ApiServer, LocalKubeRay, Path]) -> AsyncIterator[Stack]:
    """The module's pair with a client of this test."""
    server, kuberay, directory = processes
    async with client(server.kubeconfig) as api:
        await install_crds(api)
        yield Stack(server, kuberay, directory, api)


@pytest.fixture
async def own_stack(tmp_path: Path) -> AsyncIterator[Stack]:
    """A pair for one test alone, which may break it."""
    server, kuberay = start_stack(tmp_path, "--status-check-timeout", "2")
    started = [kuberay.stop, server.stop]
    stack: Stack | None = None
    try:
        async with client(server.kubeconfig) as api:
            await install_crds(api)
            stack = Stack(server, kuberay, tmp_path, api)
            yield stack
    finally:
        if stack is not None:  # a test may have put others in their place
            started += [stack.kuberay.stop, stack.server.stop]
        for stop in started:
            stop()
        assert kuberay.descendants() == []

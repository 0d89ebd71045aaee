"""The cluster that is measured on: its CRDs, a namespace, trainings, and what is seen of their children."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml
from tests.support import blocking
from tests.support.cluster import Cluster
from tests.support.kube import Kube

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.objects import Object
from mnist_kube.resources import RAYCLUSTERS, RAYJOBS, TRAININGS
from mnist_operator.api.crd import crd_text
from mnist_operator.children.training import LABEL_TRAINING

_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_KUBERAY_CRDS = Path(__file__).parents[2] / "local" / "mnist_local" / "kuberay" / "crds"
_THREADS = 8
Seen = Callable[[str, Object], None]


class MissingKubeRayError(Exception):
    """The cluster does not know RayClusters."""


class Scene:
    """A namespace of its own with credentials and trainings; `delete` takes all of it away."""

    def __init__(self, kubeconfig: Path) -> None:
        self.cluster = Cluster.connect(kubeconfig)
        self.kube = Kube(self.cluster)
        self.namespace = f"scale-{uuid.uuid4().hex[:6]}"
        self.trainings = TRAININGS.path(self.namespace)
        self.applied: dict[str, float] = {}
        """When each training's creation was answered, by a monotonic clock."""

    def prepare(self, *, own_kuberay: bool) -> None:
        """Make CRDs where they are missing, the namespace and the Secret.

        Raises:
            MissingKubeRayError: KubeRay's CRDs are not there, and are not ours to make.
        """
        documents = [yaml.safe_load(crd_text())]
        documents += [yaml.safe_load(path.read_text()) for path in sorted(_KUBERAY_CRDS.glob("*.yaml"))]
        for document in documents:
            name = document["metadata"]["name"]
            if self.kube.get(f"{_CRDS}/{name}") is not None:
                continue
            if "ray.io" in name and not own_kuberay:
                raise MissingKubeRayError(f"{name} is not installed: install KubeRay's CRDs first")
            self.kube.create(_CRDS, document)
            self._wait_established(name)
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        self.kube.create("/api/v1/namespaces", namespace)
        keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        data = {key: base64.b64encode(b"benchmark").decode() for key in keys}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "minio-credentials"}, "data": data}
        self.kube.create(f"/api/v1/namespaces/{self.namespace}/secrets", secret)

    def apply(self, name: str) -> None:
        """Create one training."""
        spec = {"storage": {"endpoint": "http://minio.minio.svc:9000", "dataset": "s3://datasets/mnist"}}
        body = {
            "apiVersion": "mnist.training/v1alpha1",
            "kind": "MnistTraining",
            "metadata": {"name": name},
            "spec": spec,
        }
        self.kube.create(self.trainings, body)
        self.applied[name] = time.monotonic()

    def remove(self, name: str) -> None:
        """Delete a training."""
        self.kube.delete(f"{self.trainings}/{name}")

    def apply_all(self, names: list[str]) -> None:
        """Create trainings, several at a time."""
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(self.apply, names))

    def children_of(self, name: str) -> dict[str, int]:
        """Count the children of a training that exist now, by kind."""
        core = f"/api/v1/namespaces/{self.namespace}"
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}"
        paths = {
            "Secret": f"{core}/secrets",
            "ServiceAccount": f"{core}/serviceaccounts",
            "Role": f"{rbac}/roles",
            "RoleBinding": f"{rbac}/rolebindings",
            "RayCluster": RAYCLUSTERS.path(self.namespace),
            "RayJob": RAYJOBS.path(self.namespace),
        }
        selector = f"?labelSelector={LABEL_TRAINING}%3D{name}"
        return {kind: len(self.kube.items(path + selector)) for kind, path in paths.items()}

    def delete(self) -> None:
        """Delete the namespace and all that is in it."""
        self.kube.delete(f"/api/v1/namespaces/{self.namespace}")

    def watch(self, path: str, seen: Seen) -> Watch:
        """Watch a collection from now on; `seen` must not ask the cluster itself."""
        return Watch(self.cluster, path, seen)

    def _wait_established(self, name: str) -> None:
        while True:
            status = (self.kube.get(f"{_CRDS}/{name}") or {}).get("status") or {}
            if any(c["type"] == "Established" and c["status"] == "True" for c in status.get("conditions") or []):
                return
            time.sleep(0.05)


class Watch:
    """One watch of what changes from now on; begun again where the server ends it."""

    def __init__(self, cluster: Cluster, path: str, seen: Seen) -> None:
        version = blocking.wait(cluster.api.get(path, {"limit": "1"}))["metadata"]["resourceVersion"]
        self.stop = blocking.start(self._run(cluster.api, path, version, seen))
        """End the watch."""

    async def _run(self, api: KubeApi, path: str, version: str, seen: Seen) -> None:
        while True:
            try:
                async with contextlib.aclosing(api.watch(path, {"resourceVersion": version})) as events:
                    async for event, obj in events:
                        version = obj["metadata"]["resourceVersion"]
                        if event != "BOOKMARK":
                            seen(event, obj)
            except ApiError:
                await asyncio.sleep(0.1)

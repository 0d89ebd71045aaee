"""A portal in this process, beside an embedded API server, and the trainings and users that its tests need."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support import blocking
from tests.support.apiserver import ApiServer
from tests.support.kube import Kube
from tests.support.s3 import S3Handle

from mnist_kube.connection import Connection
from mnist_kube.kubeconfig import load
from mnist_kube.objects import Object
from mnist_kube.resources import TRAININGS
from mnist_portal.identity import of_kubeconfig
from mnist_portal.server import Server
from mnist_portal.settings import Mode, Settings
from mnist_trainer.plan import ModelSpec, Normalisation, TrainingPlan, make_recipe
from mnist_trainer.store import ObjectStore, S3Address, StoreSettings

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
VIEW = [
    {"apiGroups": ["mnist.training"], "resources": ["mnisttrainings"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["ray.io"], "resources": ["rayclusters", "rayjobs"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["pods", "pods/log", "events"], "verbs": ["get", "list", "watch"]},
]
EDIT = [
    {"apiGroups": ["mnist.training"], "resources": ["mnisttrainings"], "verbs": ["*"]},
    {"apiGroups": ["ray.io"], "resources": ["rayclusters"], "verbs": ["*"]},
    {"apiGroups": [""], "resources": ["pods", "pods/log", "events", "secrets"], "verbs": ["get", "list", "watch"]},
]


def ago(seconds: float) -> str:
    """A moment in the past as Kubernetes writes it."""
    return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


class RunningPortal:
    """A portal that listens; it runs in the event loop of `tests.support.blocking`."""

    def __init__(self, make: Callable[[], Server]) -> None:
        self.tokens: list[str] = []
        self.server = blocking.make(make)
        blocking.wait(self.server.start())

    @classmethod
    def local(cls, kubeconfig: Path, name: str = "admin", **settings: Any) -> RunningPortal:
        """Like `mnistctl portal`."""
        identity = of_kubeconfig(load(kubeconfig), name)
        return cls(lambda: Server(Settings(mode=Mode.LOCAL, **settings), local=identity))

    @classmethod
    def pod(cls, connection: Connection, port: int, mode: Mode = Mode.TOKEN, **settings: Any) -> RunningPortal:
        """Like the pod of the chart, reached at 127.0.0.1."""
        made = Settings(mode=mode, port=port, metrics_port=0, hosts=(f"127.0.0.1:{port}",), **settings)
        return cls(lambda: Server(made, server=connection))

    @property
    def address(self) -> str:
        return self.server.address

    @property
    def entrance(self) -> str:
        """The one-time address."""
        assert self.server.portal.one_time is not None
        return f"{self.address}/enter?token={self.server.portal.one_time.value}"

    def close(self) -> None:
        """End it."""
        blocking.wait(self.server.close())


class PortalScene:
    """A namespace with trainings as operator and trainer would leave them."""

    def __init__(self, api: ApiServer, kube: Kube) -> None:
        self.api, self.kube = api, kube
        self.namespace = f"lab-{uuid.uuid4().hex[:6]}"
        kube.create(
            "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        )
        self.trainings = TRAININGS.path(self.namespace)

    @property
    def connection(self) -> Connection:
        """The server, without anybody's credentials."""
        return load(self.api.kubeconfig).with_token("")

    def end(self) -> None:
        self.kube.delete(f"/api/v1/namespaces/{self.namespace}")

    def create(self, name: str, **spec: Any) -> Object:
        """Make a training."""
        body = {"apiVersion": "mnist.training/v1alpha1", "kind": "MnistTraining", "metadata": {"name": name}}
        return self.kube.create(f"{self.trainings}?fieldManager=kubectl-create", {**body, "spec": spec})

    def status(self, name: str, **fields: Any) -> Object:
        """Write what the operator would."""
        return self.kube.merge(f"{self.trainings}/{name}/status", {"status": fields})

    def get(self, name: str) -> Object | None:
        return self.kube.get(f"{self.trainings}/{name}")

    def report(self, name: str, epoch: int, epochs: int = 10, **figures: Any) -> Object:
        """Write what the trainer would after an epoch."""
        told = {
            "attempt": 1, "runId": "run", "state": "Training", "epoch": epoch, "epochs": epochs,
            "progressPercent": 100 * epoch // epochs, "loss": round(1.2 / (epoch + 1), 4),
            "accuracy": round(1 - 0.4 / (epoch + 1), 4), "imagesPerSecond": 5200.0 + 90 * epoch, "workers": 2,
            "etaSeconds": 12 * (epochs - epoch), "updatedAt": ago(0), **figures,
        }  # fmt: skip
        return self.status(name, training=told)

    def running(self, name: str, epoch: int = 3, **spec: Any) -> Object:
        """A training in the middle of its work."""
        self.create(name, **{"training": {"epochs": 10}, **spec})
        conditions = [
            condition("Accepted", "SpecAccepted", 300),
            condition("ClusterReady", "ClusterReady", 240, "The cluster is ready: 2 of 2 workers."),
            condition("JobRunning", "JobRunning", 200),
        ]
        self.status(
            name, phase="Running", reason="JobRunning", message="The trainer reports epoch by epoch.", attempt=1,
            startTime=ago(290), conditions=conditions,
            rayCluster={"name": f"{name}-x1", "state": "ready", "workers": "2/2", "headPod": f"{name}-x1-head"},
            rayJob={"name": f"{name}-1", "jobId": f"{name}-1", "status": "RUNNING"},
        )  # fmt: skip
        return self.report(name, epoch)

    def succeeded(self, name: str, accuracy: float = 0.9876, **result: Any) -> Object:
        """A training that is over."""
        made = self.create(name, training={"epochs": 5})
        base = f"s3://models/{self.namespace}/{name}/{made['metadata']['uid']}"
        told = {
            "model": f"{base}/model.safetensors", "sha256": "ab" * 32, "accuracy": accuracy, "trainSeconds": 48.2,
            "report": f"{base}/report.html", "metrics": f"{base}/metrics.json", "manifest": f"{base}/MANIFEST.json",
            **result,
        }  # fmt: skip
        conditions = [condition("Accepted", "SpecAccepted", 900), condition("Complete", "ModelSealed", 600)]
        return self.status(
            name, phase="Succeeded", reason="ModelSealed", message="The model is sealed.", attempt=1, result=told,
            startTime=ago(890), completionTime=ago(600), conditions=conditions,
        )  # fmt: skip

    def failed(self, name: str) -> Object:
        """A training that gave up."""
        self.create(name)
        message = "s3://datasets/mnist has no train-images-idx3-ubyte: upload the four files, or name another dataset"
        failure = {
            "attempt": 1, "reason": "DatasetNotFound", "message": message, "time": ago(120),
            "logTail": "[   2.1s] reading s3://datasets/mnist\n[   2.3s] there is no such file",
        }  # fmt: skip
        return self.status(
            name, phase="Failed", reason="DatasetNotFound", message=message, attempt=1, failures=1, startTime=ago(180),
            completionTime=ago(120), lastFailure=failure,
            conditions=[condition("Accepted", "SpecAccepted", 200), condition("Failed", "DatasetNotFound", 120)],
        )  # fmt: skip

    def pod(self, name: str, log: str, role: str = "submitter", phase: str = "Running", **labels: str) -> Path:
        """A pod that has written a log; returns the log's file."""
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        limits = {"cpu": "1", "memory": "3Gi"}
        container = {"name": "main", "image": "none", "resources": {"limits": limits}}
        kind = {"app.kubernetes.io/component": role, **({"ray.io/node-type": role} if role != "submitter" else {})}
        body = {
            "metadata": {"name": name, "labels": {**kind, **labels}},
            "spec": {"containers": [container], "nodeName": "node-a"},
        }
        uid = self.kube.create(path, {"apiVersion": "v1", "kind": "Pod", **body})["metadata"]["uid"]
        file = self.api.pod_log_dir / f"{self.namespace}_{name}_{uid}" / "main" / "0.log"
        file.parent.mkdir(parents=True)
        file.write_text(log)
        ready = [{"type": "Ready", "status": "True"}] if phase == "Running" else []
        self.kube.merge(
            f"{path}/{name}/status", {"status": {"phase": phase, "conditions": ready, "startTime": ago(200)}}
        )
        return file

    def event(self, about: str, reason: str, message: str, kind: str = "Pod", type_: str = "Warning") -> None:
        """An event of the kubelet, the scheduler or the operator."""
        regarding = {"kind": kind, "namespace": self.namespace, "name": about}
        body = {
            "type": type_, "reason": reason, "message": message, "count": 1, "involvedObject": regarding,
            "firstTimestamp": ago(60), "lastTimestamp": ago(30),
        }  # fmt: skip
        metadata = {"name": f"{about}.{uuid.uuid4().hex[:8]}", "namespace": self.namespace}
        self.kube.create(
            f"/api/v1/namespaces/{self.namespace}/events",
            {"apiVersion": "v1", "kind": "Event", "metadata": metadata, **body},
        )

    def user(self, name: str, rules: list[Object] | None) -> str:
        """A ServiceAccount with rights in the namespace; returns its token."""
        home = f"/api/v1/namespaces/{self.namespace}"
        self.kube.create(
            f"{home}/serviceaccounts", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
        )
        if rules is not None:
            self.grant(name, rules)
        made = self.kube.create(f"{home}/serviceaccounts/{name}/token", {"spec": {"expirationSeconds": 3600}})
        return str(made["status"]["token"])

    def grant(self, name: str, rules: list[Object]) -> None:
        """Give a ServiceAccount rights in the namespace."""
        rbac, metadata = f"{_RBAC}/namespaces/{self.namespace}", {"name": name}
        self.kube.create(f"{rbac}/roles", {"metadata": metadata, "rules": rules})
        subject = {"kind": "ServiceAccount", "name": name, "namespace": self.namespace}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        self.kube.create(f"{rbac}/rolebindings", {"metadata": metadata, "subjects": [subject], "roleRef": reference})


def condition(kind: str, reason: str, seconds: float, message: str = "") -> Object:
    """A condition that has held for so many seconds."""
    return {"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": ago(seconds)}


# --- what a training leaves in its bucket ----------------------------------------------------------------------------

_SPEC = ModelSpec("mlp", 10, 28, 28, 1)


def untrained_onnx(seed: int = 3) -> bytes:
    """A network whose answers are what they are, and always the same."""
    import torch

    from mnist_trainer.inference.export import encode_weights_as_onnx
    from mnist_trainer.models import build

    torch.manual_seed(seed)
    weights = {name: tensor.numpy() for name, tensor in build(_SPEC).state_dict().items()}
    plan = TrainingPlan(_SPEC, make_recipe(_SPEC.name, 100, 1, 8, 1, None), Normalisation(0.13, 0.31), lineage="abc")
    return encode_weights_as_onnx(weights, plan, 0.5)


def figures(accuracy: float = 0.95, epochs: int = 5) -> Object:
    """The content of a metrics.json."""
    curve = [
        {
            "epoch": n, "train_loss": 1 / n, "test_loss": 1.1 / n, "accuracy": accuracy - 0.3 / n,
            "images_per_second": 5000.0, "finished_at": 1e9 + n,
        }
        for n in range(1, epochs + 1)
    ]  # fmt: skip
    classes = [
        {"class": n, "precision": 0.9, "recall": accuracy - n / 100, "f1": 0.9, "support": 100} for n in range(10)
    ]
    dataset = {"address": "s3://datasets/digits", "trainImages": 1437, "testImages": 360, "classes": 10}
    return {
        "accuracy": accuracy,
        "testLoss": 0.2,
        "epochs": curve,
        "perClass": classes,
        "dataset": dataset,
        "device": "cpu",
    }


class Bucket:
    """The store of a scene: the Secret that names it, and releases in it."""

    def __init__(self, scene: PortalScene, s3: S3Handle) -> None:
        self.scene, self._s3 = scene, s3
        self._store = ObjectStore(StoreSettings.from_env(s3.env))
        secrets = f"/api/v1/namespaces/{scene.namespace}/secrets"
        body = {"metadata": {"name": "minio-credentials"}, "stringData": dict(s3.env)}
        scene.kube.create(secrets, {"apiVersion": "v1", "kind": "Secret", **body})

    def put(self, address: str, data: bytes) -> None:
        """Write an object."""
        self._store.put_bytes(S3Address.parse(address), data)

    def release(self, name: str, onnx: bytes, accuracy: float = 0.95, **spec: Any) -> str:
        """A training that has succeeded, with all that it leaves; returns the address of its output."""
        made = self.scene.create(name, **spec)
        base = f"s3://models/{self.scene.namespace}/{name}/{made['metadata']['uid']}"
        files = {
            "model.safetensors": b"weights", "model.onnx": onnx, "metrics.json": json.dumps(figures(accuracy)).encode(),
            "report.html": b"<!doctype html><title>Report</title><h1>The report</h1><script>document.title=1</script>",
        }  # fmt: skip
        entries = []
        for file, data in files.items():
            self.put(f"{base}/{file}", data)
            digest = hashlib.sha256(data).hexdigest()
            entries.append(
                {"name": file, "sha256": digest, "size": len(data), "contentType": "application/octet-stream"}
            )
        manifest = {
            "name": name, "lineage": "abc", "attempt": 1, "runId": "r", "accuracy": accuracy, "trainSeconds": 12.0,
            "createdAt": ago(60), "dataset": {}, "config": {}, "versions": {}, "files": entries,
        }  # fmt: skip
        self.put(f"{base}/MANIFEST.json", json.dumps(manifest).encode())
        named = {
            "model": "model.safetensors",
            "report": "report.html",
            "metrics": "metrics.json",
            "manifest": "MANIFEST.json",
        }
        result = {key: f"{base}/{file}" for key, file in named.items()}
        self.scene.status(
            name, phase="Succeeded", reason="ModelSealed", message="The model is sealed.", attempt=1,
            startTime=ago(100), completionTime=ago(40),
            result={**result, "accuracy": accuracy, "sha256": "ab" * 32, "trainSeconds": 12.0},
        )  # fmt: skip
        return base

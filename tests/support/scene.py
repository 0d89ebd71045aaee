"""A namespace of an embedded API server in which the test plays operator, KubeRay and trainer."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from tests.support.apiserver import ApiServer
from tests.support.kube import Kube
from tests.support.scripted_kuberay import ScriptedKubeRay
from tests.support.wait import wait_for

from mnist_client import Client
from mnist_kube.objects import Object
from mnist_kube.resources import TRAININGS


@dataclass
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str


class Started:
    """A command that runs beside the test."""

    def __init__(self, command: list[str], env: dict[str, str], folder: Path) -> None:
        self._files = folder / "out", folder / "err"
        with self._files[0].open("wb") as out, self._files[1].open("wb") as err:
            self.process = subprocess.Popen(command, env=env, stdout=out, stderr=err, stdin=subprocess.DEVNULL)

    @property
    def out(self) -> str:
        return self._files[0].read_text()

    @property
    def err(self) -> str:
        return self._files[1].read_text()

    def until(self, text: str) -> None:
        """Wait until the command has printed a text."""

        def there() -> bool:
            ended = self.process.poll()
            assert ended is None or text in self.out + self.err, (ended, self.out, self.err)
            return text in self.out + self.err

        wait_for(there, lambda: f"{text!r} in {self.out!r} {self.err!r}")

    def wait(self) -> int:
        return self.process.wait(20)


class Scene:
    """A namespace, and `mnistctl` pointed at it."""

    def __init__(self, server: ApiServer, kube: Kube, namespace: str, folder: Path) -> None:
        self.server = server
        self.kube = kube
        self.namespace = namespace
        self.folder = folder
        self.trainings = TRAININGS.path(namespace)
        self.kuberay = ScriptedKubeRay(kube, namespace)
        self.kubeconfig = self._kubeconfig()
        self.ctl: Callable[..., Ran]

    def _kubeconfig(self) -> Path:
        """The administrator's, with this namespace in its context."""
        config = yaml.safe_load(self.server.kubeconfig.read_text())
        config["contexts"][0]["context"]["namespace"] = self.namespace
        return self.write("kubeconfig", config)

    def write(self, name: str, content: Any) -> Path:
        path = self.folder / name
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return path

    def start(self, *arguments: str) -> Started:
        env = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        return Started([sys.executable, "-m", "mnist_cli", *arguments], env, self.folder)

    def manifest(self, name: str = "mnist", **spec: Any) -> Path:
        return self.write("training.yaml", {**training(name), "spec": spec})

    def create(self, name: str = "mnist", **spec: Any) -> Object:
        return self.kube.create(self.trainings, {**training(name), "spec": spec})

    def get(self, name: str = "mnist") -> Object:
        found = self.kube.get(f"{self.trainings}/{name}")
        assert found is not None
        return found

    def status(self, name: str = "mnist", **fields: Any) -> None:
        """Write what the operator would."""
        self.kube.merge(f"{self.trainings}/{name}/status", {"status": fields})

    def pod(self, name: str, log: str, phase: str = "Running", **labels: str) -> Path:
        """A pod that has written a log; returns the log's file."""
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        container = {"name": "main", "image": "none"}
        body = {"metadata": {"name": name, "labels": labels}, "spec": {"containers": [container]}}
        uid = self.kube.create(path, {"apiVersion": "v1", "kind": "Pod", **body})["metadata"]["uid"]
        file = self.server.pod_log_dir / f"{self.namespace}_{name}_{uid}" / "main" / "0.log"
        file.parent.mkdir(parents=True)
        file.write_text(log)
        self.pod_phase(name, phase)
        return file

    def pod_phase(self, name: str, phase: str) -> None:
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}"
        self.kube.merge(f"{path}/status", {"status": {"phase": phase}})

    def as_viewer_of(self, *resources: str) -> Client:
        """A client with a token that may look at these resources of ours in the namespace, and do nothing else."""
        account = f"/api/v1/namespaces/{self.namespace}/serviceaccounts"
        self.kube.create(account, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "guest"}})
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}"
        body = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "guest"}}
        if resources:
            rule = {"apiGroups": ["mnist.training"], "resources": list(resources), "verbs": ["get", "list", "watch"]}
            self.kube.create(f"{rbac}/roles", {**body, "kind": "Role", "rules": [rule]})
            subject = {"kind": "ServiceAccount", "name": "guest", "namespace": self.namespace}
            role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "guest"}
            self.kube.create(
                f"{rbac}/rolebindings", {**body, "kind": "RoleBinding", "subjects": [subject], "roleRef": role}
            )
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        token = self.kube.create(f"{account}/guest/token", request)["status"]["token"]
        return Client(kubeconfig=self.kubeconfig, token=token)

    def event(self, about: str, reason: str, note: str, seconds: int = 0, count: int = 1) -> None:
        """A warning of the kubelet or the scheduler on a pod, seen `count` times within so many seconds."""
        first = datetime(2026, 1, 1, tzinfo=UTC)
        times = {
            "firstTimestamp": f"{first:%Y-%m-%dT%H:%M:%SZ}",
            "lastTimestamp": f"{first + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}",
        }
        pod = {"kind": "Pod", "namespace": self.namespace, "name": about}
        body = {"type": "Warning", "reason": reason, "message": note, "count": count, "involvedObject": pod, **times}
        metadata = {"name": f"{about}.{uuid.uuid4().hex[:8]}", "namespace": self.namespace}
        path = f"/api/v1/namespaces/{self.namespace}/events"
        self.kube.create(path, {"apiVersion": "v1", "kind": "Event", "metadata": metadata, **body})

    def submitter(self, attempt: int, log: str, phase: str = "Running", name: str = "mnist") -> Path:
        labels = {
            "mnist.training/training": name,
            "app.kubernetes.io/component": "submitter",
            "ray.io/originated-from-cr-name": f"{name}-{attempt}",
        }
        return self.pod(f"{name}-{attempt}-abcde", log, phase, **labels)


def training(name: str) -> Object:
    return {"apiVersion": "mnist.training/v1alpha1", "kind": "MnistTraining", "metadata": {"name": name}}

"""A local stack that several tests share, and trainings on it that are disturbed: all real, Ray, torch and S3 too."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.kube import Kube
from tests.support.wait import wait_for

from mnist_kube.objects import Object
from mnist_kube.resources import TRAININGS
from mnist_local.kuberay.kubelet.launch import POD_UID_VARIABLE
from mnist_local.pod import process_tree

NAMESPACE = "default"
SECONDS = 500.0  # a start of Ray takes ten seconds of a whole machine, and tests share two cores with others
_EPOCH_LINE = re.compile(r"\] epoch (\d+)/\d+ ")


class LiveStack:
    """`mnistctl local up` in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        done = self._mnistctl("up")
        assert done.returncode == 0, done.stdout
        self.kube = Kube.from_kubeconfig(root / "kubeconfig")

    def down(self) -> None:
        """End everything."""
        done = self._mnistctl("down")
        assert done.returncode == 0, done.stdout

    def _mnistctl(self, verb: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mnist_cli", "local", verb, "--dir", str(self.root)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
            env={name: value for name, value in os.environ.items() if name != "KUBECONFIG"},
        )  # fmt: skip

    @property
    def endpoint(self) -> str:
        """The address of the object store."""
        secret = self.kube.get(f"/api/v1/namespaces/{NAMESPACE}/secrets/minio-credentials") or {}
        return base64.b64decode(secret["data"]["AWS_ENDPOINT_URL"]).decode()

    def train(self, name: str, epochs: int, head_env: dict[str, str] | None = None, **sections: Any) -> LiveTraining:
        """Apply a training of the offline digits on two workers; `head_env` is for the trainer's driver."""
        spec: Object = {
            "training": {"epochs": epochs},
            "workers": {"replicas": 2},
            "storage": {"dataset": "s3://datasets/digits", "output": "s3://models"},
        }
        for section, values in sections.items():
            spec[section] = {**spec.get(section, {}), **values}
        if head_env:
            env = [{"name": key, "value": value} for key, value in head_env.items()]
            spec["head"] = {"template": {"spec": {"containers": [{"name": "ray-head", "env": env}]}}}
        body = {"apiVersion": "mnist.training/v1alpha1", "kind": "MnistTraining", "metadata": {"name": name}}
        made = self.kube.create(TRAININGS.path(NAMESPACE), {**body, "spec": spec})
        return LiveTraining(self, name, made["metadata"]["uid"])

    def delete(self, name: str) -> None:
        """Delete a training, whatever it is doing."""
        self.kube.delete(f"{TRAININGS.path(NAMESPACE)}/{name}")


@dataclass(frozen=True)
class Checkpoint:
    """A sealed checkpoint: its manifest was in the store."""

    attempt: int
    run_id: str
    epoch: int


@dataclass(frozen=True)
class LiveTraining:
    """A training that was applied."""

    stack: LiveStack
    name: str
    uid: str

    @property
    def path(self) -> str:
        """Where it is in the API."""
        return f"{TRAININGS.path(NAMESPACE)}/{self.name}"

    def status(self) -> Object:
        """Its status now."""
        found = self.stack.kube.get(self.path)
        assert found is not None, f"{self.name} is gone"
        return found.get("status") or {}

    def until(self, holds: Callable[[Object], object], what: str, seconds: float = SECONDS) -> Object:
        """Wait until its status is as wanted; it must not fail meanwhile, unless that is what is wanted."""

        def look() -> Object | None:
            status = self.status()
            if holds(status):
                return status
            assert status.get("phase") != "Failed", f"{self.name} failed before {what}: {status}"
            return None

        try:
            return wait_for(look, f"{self.name}: {what}", seconds) or {}
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.status()}\n{self.log()[-4000:]}") from None

    def until_succeeded(self) -> Object:
        """Wait for its end."""
        return self.until(lambda status: status.get("phase") == "Succeeded", "the end")

    def suspend(self, wanted: bool) -> None:
        """Set `spec.runPolicy.suspend`."""
        self.stack.kube.merge(self.path, {"spec": {"runPolicy": {"suspend": wanted}}})

    # --- its pods ------------------------------------------------------------------------------------------------

    def pods(self, node_type: str = "") -> list[Object]:
        """Its pods that have not ended; `node_type` is head or worker."""
        found = self.stack.kube.items(f"/api/v1/namespaces/{NAMESPACE}/pods")
        label = {"ray.io/node-type": node_type} if node_type else {}
        return [
            pod for pod in found
            if pod["metadata"]["name"].startswith(f"{self.name}-")
            and (pod.get("status") or {}).get("phase") in ("Pending", "Running")
            and label.items() <= (pod["metadata"].get("labels") or {}).items()
        ]  # fmt: skip

    def kill(self, pod: Object) -> None:
        """SIGKILL to every process of a pod at once, as at the loss of its node."""
        pids = process_tree.marked(POD_UID_VARIABLE, pod["metadata"]["uid"])
        assert pids, f"{pod['metadata']['name']} has no process"
        process_tree.kill(pids)

    def processes(self) -> dict[int, str]:
        """Pid and pod of each living process of all pods that it ever had."""
        uids = {folder.name.rpartition("_")[2]: folder.name for folder in self._log_folders()}
        return {pid: pod for uid, pod in uids.items() for pid in process_tree.marked(POD_UID_VARIABLE, uid)}

    def until_nothing_runs(self) -> None:
        """Wait until no pod of it runs any more, and no process."""

        def freed() -> bool:
            return not self.pods() and not self.processes()

        wait_for(freed, f"the end of all pods and processes of {self.name}", 60, 0.2)

    # --- what it has said and left -------------------------------------------------------------------------------

    @property
    def output(self) -> Path:
        """The folder of everything that it writes to the store."""
        return self.stack.root / "s3" / "models" / NAMESPACE / self.name / self.uid

    def checkpoints(self) -> list[Checkpoint]:
        """The sealed checkpoints, by epoch."""
        found = []
        for path in self.output.glob("attempt-*/*/checkpoints/epoch-*.json"):
            attempt, run_id = path.parts[-4].removeprefix("attempt-"), path.parts[-3]
            found.append(Checkpoint(int(attempt), run_id, int(path.stem.removeprefix("epoch-"))))
        return sorted(found, key=lambda checkpoint: checkpoint.epoch)

    def until_sealed(self, epoch: int) -> int:
        """Wait for a sealed checkpoint of at least so many epochs; returns of how many it is."""

        def sealed(_: Object) -> bool:
            return any(checkpoint.epoch >= epoch for checkpoint in self.checkpoints())

        self.until(sealed, f"the checkpoint of epoch {epoch}")
        return max(checkpoint.epoch for checkpoint in self.checkpoints())

    def json(self, name: str) -> Any:
        """A file that it has released."""
        return json.loads((self.output / name).read_text())

    def model_digest(self) -> str:
        """SHA-256 of the released weights, from the file itself."""
        return hashlib.sha256((self.output / "model.safetensors").read_bytes()).hexdigest()

    def log(self) -> str:
        """What its trainers said, in order of time."""
        logs = [log for folder in self._log_folders() for log in folder.glob("submitter/*.log")]
        return "".join(log.read_text(errors="replace") for log in sorted(logs, key=lambda log: log.stat().st_ctime))

    def epochs_told(self) -> list[int]:
        """The epochs that were said to be finished, by all trainers, in order."""
        return [int(number) for number in _EPOCH_LINE.findall(self.log())]

    def _log_folders(self) -> list[Path]:
        return list((self.stack.root / "pod-logs").glob(f"{NAMESPACE}_{self.name}-*"))


def now() -> float:
    """Unix time, as the trainer stamps its epochs."""
    return time.time()

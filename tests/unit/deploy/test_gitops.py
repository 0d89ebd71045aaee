"""Argo CD and Fleet: health scripts run by a real Lua on recorded objects, and what the files name exists."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.manifests import ROOT, documents

from mnist_operator.api.status import Phase

ARGOCD = ROOT / "deploy" / "argocd"
FLEET = ROOT / "deploy" / "fleet"
RECORDED = Path(__file__).with_name("recorded")
LUA = shutil.which("lua5.4") or shutil.which("lua")
needs_lua = pytest.mark.skipif(LUA is None, reason="no Lua (Debian: apt-get install lua5.4)")


def literal(value: Any) -> str:
    """Return a JSON value as Lua."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"[{json.dumps(key)}] = {literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "{" + ", ".join(literal(item) for item in value) + "}"
    if isinstance(value, str):
        return '"' + "".join(f"\\{byte:03d}" for byte in value.encode()) + '"'
    return "nil" if value is None else json.dumps(value)


def health(kind: str, obj: dict[str, Any]) -> tuple[str, str]:
    """Run a health script as Argo CD does, with the object in the global `obj`. Return status and message."""
    script = ARGOCD / "health" / f"{kind}.lua"
    program = f'obj = {literal(obj)}\nlocal hs = dofile("{script}")\nprint(hs.status)\nprint(hs.message)'
    done = subprocess.run([str(LUA), "-"], input=program, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    status, message = done.stdout.rstrip("\n").split("\n", 1)
    return status, message


def recorded(kind: str) -> list[dict[str, Any]]:
    """Return objects as KubeRay wrote them."""
    return [json.loads(line) for line in (RECORDED / f"{kind}.jsonl").read_text().splitlines()]


def training(phase: str | None, generation: int = 1, **status: Any) -> dict[str, Any]:
    """Return a training in a phase."""
    found = {"phase": phase, "observedGeneration": 1, **status} if phase else {}
    return {"metadata": {"name": "t", "generation": generation}, "status": found}


@needs_lua
@pytest.mark.parametrize("phase", list(Phase))
def test_health_of_a_training_in_every_phase(phase: Phase) -> None:
    wanted = {Phase.SUCCEEDED: "Healthy", Phase.FAILED: "Degraded", Phase.SUSPENDED: "Suspended"}
    status, message = health("mnist.training_MnistTraining", training(phase.value, message="Because."))
    assert status == wanted.get(phase, "Progressing")
    assert message == "Because."


@needs_lua
def test_health_of_a_training_that_nobody_has_looked_at() -> None:
    for obj in (training(None), {"metadata": {"generation": 1}}, training("Succeeded", generation=2)):
        status, message = health("mnist.training_MnistTraining", obj)
        assert status == "Progressing"
        assert "operator" in message


@needs_lua
def test_health_of_a_running_training_tells_its_progress() -> None:
    obj = training("Running", message="Training on 2 workers", training={"progressPercent": 60})
    assert health("mnist.training_MnistTraining", obj) == ("Progressing", "Training on 2 workers (60 %)")


@needs_lua
def test_health_of_every_recorded_raycluster() -> None:
    seen = set()
    for obj in recorded("rayclusters"):
        conditions = {item["type"]: item["status"] for item in obj["status"].get("conditions", [])}
        all_there = obj["status"].get("readyWorkerReplicas", 0) >= obj["status"].get("desiredWorkerReplicas", 0)
        if conditions.get("RayClusterSuspended") == "True":
            wanted = "Suspended"
        elif conditions.get("RayClusterSuspending") == "True":
            wanted = "Progressing"
        elif obj["status"].get("state") == "ready" and conditions["HeadPodReady"] == "True" and all_there:
            wanted = "Healthy"
        else:
            wanted = "Progressing"
        assert health("ray.io_RayCluster", obj)[0] == wanted, obj
        seen.add(wanted)
    assert seen == {"Healthy", "Progressing", "Suspended"}


@needs_lua
def test_health_of_rayclusters_that_cannot_come_up() -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreateHeadPod", "message": "exceeded quota"}
    assert health("ray.io_RayCluster", {"status": {"conditions": [failure]}}) == ("Degraded", "exceeded quota")
    assert health("ray.io_RayCluster", {"status": {"state": "failed", "reason": "why"}}) == ("Degraded", "why")
    assert health("ray.io_RayCluster", {"status": {"state": "suspended"}})[0] == "Suspended"


@needs_lua
def test_health_of_every_recorded_rayjob() -> None:
    wanted = {"Complete": "Healthy", "Failed": "Degraded"}
    seen = set()
    for obj in recorded("rayjobs"):
        deployment = obj["status"].get("jobDeploymentStatus", "")
        status, _ = health("ray.io_RayJob", obj)
        assert status == wanted.get(deployment, "Progressing"), obj
        seen.add(deployment)
    assert {"", "Initializing", "Running", "Complete", "Failed"} <= seen


@needs_lua
@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        ({"jobDeploymentStatus": "Complete", "jobStatus": "STOPPED"}, "Degraded"),
        ({"jobDeploymentStatus": "ValidationFailed", "reason": "ValidationFailed", "message": "no"}, "Degraded"),
        ({"jobDeploymentStatus": "Suspended"}, "Suspended"),
        ({"jobDeploymentStatus": "Retrying"}, "Progressing"),
        ({"jobDeploymentStatus": "Waiting"}, "Progressing"),
    ],
)
def test_health_of_other_rayjobs(status: dict[str, Any], wanted: str) -> None:
    assert health("ray.io_RayJob", {"status": status})[0] == wanted


def test_argo_cds_config_map_has_the_scripts() -> None:
    data = yaml.safe_load((ARGOCD / "argocd-cm.yaml").read_text())["data"]
    assert data == {
        f"resource.customizations.health.{path.stem}": path.read_text() for path in (ARGOCD / "health").glob("*.lua")
    }
    assert len(data) == 3


def test_argo_cds_applications_come_in_order_and_name_what_exists(render: Callable[..., list[Any]]) -> None:
    apps = {
        item["metadata"]["name"]: item
        for path in (ARGOCD / "apps").glob("*.yaml")
        for item in documents(path.read_text())
    }
    waves = {name: int(app["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"]) for name, app in apps.items()}
    assert sorted(waves, key=waves.__getitem__) == ["kuberay-operator", "mnist-operator", "trainings"]
    assert len(set(waves.values())) == 3
    for app in [*apps.values(), *documents((ARGOCD / "root.yaml").read_text())]:
        for source in app["spec"].get("sources", [app["spec"].get("source")]):
            assert (ROOT / source.get("path", "")).is_dir(), source
            for name in source.get("helm", {}).get("valueFiles", []):
                assert (ROOT / name.removeprefix("$values/")).is_file()
    assert render(apps["mnist-operator"]["spec"]["source"]["helm"]["valuesObject"])


def test_fleet_bundles_come_in_order_and_name_what_exists(render: Callable[..., list[Any]]) -> None:
    repo = documents((FLEET / "gitrepo.yaml").read_text())[0]
    bundles = {path: yaml.safe_load((ROOT / path / "fleet.yaml").read_text()) for path in repo["spec"]["paths"]}
    known: set[str] = set()
    for path, bundle in bundles.items():
        for need in bundle.get("dependsOn", []):
            assert need["selector"]["matchLabels"]["bundle"] in known
        known.add(bundle["labels"]["bundle"])
        for name in bundle.get("helm", {}).get("valuesFiles", []):
            assert (ROOT / path / name).is_file()
        if "kustomize" in bundle:
            assert (ROOT / path / bundle["kustomize"]["dir"] / "kustomization.yaml").is_file()
    operator = bundles["deploy/fleet/operator"]
    assert (ROOT / "deploy/fleet/operator" / operator["helm"]["chart"] / "Chart.yaml").is_file()
    for customization in [{"helm": {}}, *operator["targetCustomizations"]]:
        assert render({**operator["helm"]["values"], **customization["helm"].get("values", {})})


def test_all_of_them_take_the_same_kuberay() -> None:
    versions = set()
    for path in (ROOT / "deploy").rglob("*.yaml"):
        text = path.read_text()
        if "kuberay" in text:
            versions |= set(re.findall(r"(?:targetRevision: |version: |--version |ref=v)(\d+\.\d+\.\d+)", text))
    assert versions - {"0.1.0"} == {"1.7.0"}

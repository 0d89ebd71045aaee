"""`mnistctl submit`, `suspend`, `resume`, `status`."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.s3 import start_s3
from tests.support.scene import Scene, training


def test_a_manifest_is_created_changed_and_left_alone(scene: Scene) -> None:
    path = str(scene.manifest(training={"epochs": 2}))
    assert scene.ctl("submit", path).out == "mnisttraining.mnist.training/mnist created\n"
    made = scene.get()
    assert made["spec"]["training"]["epochs"] == 2
    assert [(entry["manager"], entry["operation"]) for entry in made["metadata"]["managedFields"]] == [
        ("mnistctl", "Apply")
    ]
    assert scene.ctl("submit", path).out == "mnisttraining.mnist.training/mnist unchanged\n"

    tried = scene.ctl("submit", path, "--dry-run", "--set", "spec.runPolicy.backoffLimit=1")
    assert tried.out == "mnisttraining.mnist.training/mnist configured (server dry run)\n"
    assert "runPolicy" not in scene.get()["spec"]
    changed = scene.ctl("submit", path, "--set", "spec.runPolicy.backoffLimit=1")
    assert (changed.code, changed.out) == (0, "mnisttraining.mnist.training/mnist configured\n")
    assert scene.get()["spec"]["runPolicy"]["backoffLimit"] == 1


def test_what_another_tool_manages_is_taken_over_only_on_demand(scene: Scene) -> None:
    scene.create(runPolicy={"backoffLimit": 5})  # as a client with another name
    path = str(scene.manifest(runPolicy={"backoffLimit": 1}))
    refused = scene.ctl("submit", path)
    assert (refused.code, refused.out) == (2, "")
    assert ".spec.runPolicy.backoffLimit: another tool manages that" in refused.err
    assert scene.ctl("submit", path, "--force-conflicts").code == 0
    assert scene.get()["spec"]["runPolicy"]["backoffLimit"] == 1


REFUSED = {
    "unknown field": ({"training": {"epoch": 3}}, ["spec.training.epoch"]),
    "another type": ({"workers": 3}, ["spec.workers"]),
    "out of bounds": ({"training": {"epochs": 0}}, ["spec.training.epochs", "greater than or equal to 1"]),
    "name": ({}, ["at most 42 characters"]),
}


@pytest.mark.parametrize(("spec", "says"), REFUSED.values(), ids=REFUSED)
def test_what_the_api_refuses_is_one_line(scene: Scene, spec: dict, says: list[str]) -> None:
    ran = scene.ctl("submit", str(scene.manifest("mnist" if spec else "n" * 43, **spec)))
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert ran.err.startswith("mnistctl: MnistTraining ")
    assert all(text in ran.err for text in says), ran.err


def test_one_training_in_its_own_namespace(scene: Scene) -> None:
    two = scene.folder / "two.yaml"
    two.write_text(f"{scene.manifest('a').read_text()}---\n{scene.manifest('b').read_text()}")
    ran = scene.ctl("submit", str(two))
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "holds 2 objects, and one MnistTraining is wanted" in ran.err

    manifest = training("mnist")
    manifest |= {"metadata": {"name": "mnist", "namespace": scene.namespace}, "spec": {}}
    own = scene.write("own.yaml", manifest)
    assert "leave one out" in scene.ctl("submit", str(own), "-n", "default").err
    assert scene.ctl("submit", str(own)).code == 0


def test_follow_shows_progress_and_ends_with_the_training(scene: Scene) -> None:
    ran = scene.start("submit", str(scene.manifest(training={"epochs": 5})), "--follow")
    ran.until("mnist created")
    scene.status(phase="Provisioning", attempt=1, rayCluster={"name": "c", "workers": "1/2"})
    ran.until("the Ray cluster starts, 1/2 workers")
    scene.status(phase="Running")
    scene.kuberay.report("mnist", state="Training", epoch=2, epochs=5, progressPercent=40, accuracy=0.9712, loss=0.1)
    ran.until("training, epoch 2/5: accuracy 97.12%, loss 0.100")
    scene.kuberay.seal("mnist")
    result = {"accuracy": 0.9912, "model": "s3://models/m.safetensors", "sha256": "a" * 64}
    scene.status(phase="Succeeded", result=result)
    assert ran.wait() == 0, ran.err
    assert "mnist: accuracy 99.12% on the test images\n  model   s3://models/m.safetensors\n" in ran.out
    again = scene.ctl("submit", str(scene.manifest(training={"epochs": 5})), "--follow")
    assert again.code == 0, again.err
    assert "mnist unchanged" in again.out


def test_a_failed_training_is_exit_code_1(scene: Scene) -> None:
    failure = {"attempt": 1, "reason": "X", "time": "2026-01-01T00:00:00Z", "logTail": "one\ntwo"}
    scene.create()
    scene.status(phase="Failed", reason="DatasetNotFound", message="no dataset there", lastFailure=failure)
    ran = scene.ctl("submit", str(scene.manifest()), "--follow")
    assert ran.code == 1
    assert ran.out.endswith("mnist: failed: DatasetNotFound: no dataset there\n  | one\n  | two\n")


def test_deleted_meanwhile(scene: Scene) -> None:
    ran = scene.start("submit", str(scene.manifest(training={"epochs": 5})), "--follow")
    ran.until("mnist created")
    ran.until("mnist: Pending")
    scene.kube.delete(f"{scene.trainings}/mnist")
    assert ran.wait() == 1
    assert ran.err.endswith("mnistctl: mnist was deleted\n")


def test_suspend_and_resume(scene: Scene) -> None:
    scene.create()
    assert scene.ctl("suspend", "mnist").out == "mnisttraining.mnist.training/mnist is being suspended\n"
    assert scene.get()["spec"]["runPolicy"]["suspend"] is True
    assert "unchanged: it is being suspended" in scene.ctl("suspend", "mnist").out
    scene.status(phase="Suspended", message="Suspended by the user")
    assert "unchanged: it is suspended" in scene.ctl("suspend", "mnist").out
    assert scene.ctl("suspend", "mnist", "--wait").out.endswith("mnist: Suspended: Suspended by the user\n")

    assert scene.ctl("resume", "mnist").out == "mnisttraining.mnist.training/mnist is being resumed\n"
    assert scene.get()["spec"]["runPolicy"]["suspend"] is False
    waiting = scene.start("resume", "mnist", "--wait")
    waiting.until("unchanged: it is not suspended")
    scene.status(phase="Pending", message="starts")
    assert waiting.wait() == 0
    assert waiting.out.endswith("mnist: Pending: starts\n")

    scene.status(phase="Succeeded")
    ran = scene.ctl("suspend", "mnist")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "has succeeded" in ran.err


def test_status_tells_where_it_stands(scene: Scene) -> None:
    scene.create()
    condition = {"type": "Accepted", "status": "True", "reason": "Valid", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    cluster = {"name": "mnist-abcde", "state": "ready", "workers": "2/2"}
    scene.status(phase="Running", reason="Running", attempt=2, failures=1, rayCluster=cluster, conditions=[condition])
    lines = scene.ctl("status", "mnist").out.splitlines()
    assert lines[:2] == ["mnist", "  phase    Running (Running)"]
    assert "  attempt  2 (failures: 1)" in lines
    assert "  cluster  mnist-abcde, ready, 2/2" in lines
    assert lines[-2] == "  + Accepted     2026-01-01T00:00:00Z  Valid"
    assert lines[-1].startswith("  defaults head.serviceType ClusterIP, "), "applies, and is not shown by the object"


def test_a_change_that_a_rule_forbids_names_the_rule_and_no_way_that_is_refused_too(scene: Scene) -> None:
    scene.create(training={"epochs": 5})  # as a client with another name
    refused = scene.ctl("submit", str(scene.manifest(training={"epochs": 9})))
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert "training cannot be changed" in refused.err
    assert "--force-conflicts" not in refused.err


def test_following_tells_what_does_not_pass_by_itself(scene: Scene) -> None:
    """On a real cluster every Ray pod fails its probes while it starts."""
    ran = scene.start("submit", str(scene.manifest(training={"epochs": 5})), "--follow")
    ran.until("mnist: Pending")
    starting = "Readiness probe failed: command timed out"
    scene.event("mnist-ab-head", "Unhealthy", starting, seconds=10, count=2)
    scene.event("mnist-ab-worker-1", "FailedScheduling", "0/3 nodes are available: 3 Insufficient cpu")
    ran.until("warning: mnist-ab-worker-1: FailedScheduling: 0/3 nodes are available")
    scene.event("mnist-ab-worker-2", "Unhealthy", "Readiness probe failed: HTTP 500", seconds=180, count=36)
    ran.until("warning: mnist-ab-worker-2: Unhealthy: Readiness probe failed: HTTP 500")
    scene.event("mnist-ab-worker-3", "BackOff", "Back-off pulling image")
    ran.until("mnist-ab-worker-3: BackOff")
    scene.status(phase="Failed", reason="X")
    assert ran.wait() == 1
    assert starting not in ran.out


def test_own_code_goes_along(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "code").mkdir()
    script = tmp_path / "code" / "train.py"
    script.write_text("print(1)\n")
    with start_s3(tmp_path / "s3", "models") as s3:
        for name, value in s3.env.items():
            monkeypatch.setenv(name, value)
        path = str(scene.manifest("mnist", storage={"output": "s3://models"}))
        ran = scene.ctl("submit", path, "--script", str(script), "--no-check")
        assert (ran.code, ran.out) == (0, "mnisttraining.mnist.training/mnist created\n"), ran.err
        sent = scene.get()["spec"]["code"]
        assert sent["command"] == ["python", "train.py"]
        assert (s3.root / sent["archive"]["url"].removeprefix("s3://")).read_bytes()[:2] == b"PK"

        module = ["--set", "spec.code.module=train:build", "--set", "metadata.name=net"]
        assert scene.ctl("submit", path, "--code", str(script.parent), "--no-check", *module).code == 0
        assert scene.get("net")["spec"]["code"] == {"module": "train:build", "archive": sent["archive"]}

    ran = scene.ctl("submit", path, "--code", str(script.parent), "--no-check")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "give spec.code.command, such as [python, train.py], or spec.code.module" in ran.err
    for wrong in (["--script", str(script.parent)], ["--script", str(script), "--code", "."]):
        ran = scene.ctl("submit", path, *wrong)
        assert (ran.code, ran.err.count("\n")) == (2, 1)

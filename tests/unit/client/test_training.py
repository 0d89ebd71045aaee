"""What a data scientist types, and the manifest that comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_client import (
    CodeSpec,
    HeadSpec,
    ModelName,
    RefusedError,
    RunPolicy,
    Training,
    TrainingFailed,
    WorkerGroup,
    WorkersSpec,
)
from mnist_operator.api.spec import MnistTrainingSpec

MANIFEST = """
apiVersion: mnist.training/v1alpha1
kind: MnistTraining
metadata: {name: one, namespace: team}
spec: {training: {epochs: 3, model: mlp}, workers: {replicas: 2}}
"""


def spec(**fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = Training("mnist", **fields).object["spec"]
    return found


def test_the_shortest_one_and_the_usual_one() -> None:
    assert Training("mnist").object == {
        "apiVersion": "mnist.training/v1alpha1",
        "kind": "MnistTraining",
        "metadata": {"name": "mnist"},
        "spec": {},
    }
    training = Training("mnist", "team", workers=4, epochs=5, model="cnn", output="s3://models", labels={"a": "b"})
    assert training.object["metadata"] == {"name": "mnist", "namespace": "team", "labels": {"a": "b"}}
    assert training.object["spec"] == {
        "workers": {"replicas": 4},
        "training": {"epochs": 5, "model": "cnn"},
        "storage": {"output": "s3://models"},
    }


SAME: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a number for workers": ({"workers": 3}, {"workers": {"replicas": 3}}),
    "a model": ({"workers": WorkersSpec(replicas=3)}, {"workers": {"replicas": 3}}),
    "names of Python": (
        {"workers": {"min_replicas": 1}},
        {"workers": {"minReplicas": 1}},
    ),
    "names of the API": ({"workers": {"minReplicas": 1}}, {"workers": {"minReplicas": 1}}),
    "nested": (
        {"workers": {"additional_groups": [{"name": "spot", "min_replicas": 0}]}},
        {"workers": {"additionalGroups": [{"name": "spot", "minReplicas": 0}]}},
    ),
    "nested models": (
        {"workers": WorkersSpec(replicas=1, additional_groups=[WorkerGroup(name="spot", min_replicas=0)])},
        {"workers": {"replicas": 1, "additionalGroups": [{"name": "spot", "minReplicas": 0}]}},
    ),
    "an enum": ({"model": ModelName.LENET5}, {"training": {"model": "lenet5"}}),
    "of runPolicy": ({"suspend": True, "backoff_limit": 0}, {"runPolicy": {"suspend": True, "backoffLimit": 0}}),
    "section and field": (
        {"run_policy": RunPolicy(backoff_limit=1), "suspend": True},
        {"runPolicy": {"backoffLimit": 1, "suspend": True}},
    ),
    "an image": ({"image": "r/i:1"}, {"ray": {"image": "r/i:1"}}),
    "a cluster by name": ({"cluster_ref": "shared"}, {"clusterRef": {"name": "shared"}}),
    "a mode": ({"submission": "HTTP"}, {"submission": {"mode": "HTTP"}}),
    "nothing": ({"learning_rate": None, "image": None}, {}),
    "free form": (
        {"head": HeadSpec(template={"spec": {"node_selector": 1}})},
        {"head": {"template": {"spec": {"node_selector": 1}}}},
    ),
    "code": (
        {"code": CodeSpec(command=["python", "train.py"], config_map={"name": "c"})},
        {"code": {"command": ["python", "train.py"], "configMap": {"name": "c"}}},
    ),
}


@pytest.mark.parametrize(("typed", "sent"), SAME.values(), ids=SAME)
def test_what_is_typed_and_what_is_sent(typed: dict[str, Any], sent: dict[str, Any]) -> None:
    assert spec(**typed) == sent


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a slip": ({"epoch": 3}, "there is no field 'epoch'; did you mean 'epochs'?"),
    "something else": ({"xyz": 3}, "there is no field 'xyz'"),
    "a slip in a section": ({"workers": {"replica": 3}}, r"workers\.replica: Extra inputs are not permitted"),
    "too few": ({"epochs": 0}, r"training\.epochs: Input should be greater than or equal to 1 \(not 0\)"),
    "no such network": ({"model": "resnet"}, r"training\.model: Input should be 'cnn'"),
    "no address": ({"output": "models"}, r"storage\.output: String should match pattern"),
    "twice": ({"training": {"epochs": 3}, "epochs": 4}, "training has its epochs twice"),
    "no section": ({"head": 3}, "head is a section of the spec: give a dictionary or its model, not 3"),
    "true is no number of workers": ({"workers": True}, "workers is a section"),
}


@pytest.mark.parametrize(("typed", "says"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_at_once(typed: dict[str, Any], says: str) -> None:
    with pytest.raises(RefusedError, match=says) as caught:
        Training("mnist", **typed)
    assert isinstance(caught.value, ValueError)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("name", ["", "Mnist", "1st", "a_b", "a" * 43, "end-"])
def test_names_that_no_training_can_have(name: str) -> None:
    with pytest.raises(RefusedError, match="cannot be a training's name: at most 42 lower-case"):
        Training(name)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "epochs": st.integers(1, 10_000),
            "batch_size": st.integers(1, 65_536),
            "learning_rate": st.floats(1e-6, 100),
            "target_accuracy": st.floats(0, 1),
            "workers": st.integers(1, 256),
            "suspend": st.booleans(),
            "dataset": st.just("s3://datasets/x"),
            "active_deadline_seconds": st.none() | st.integers(1, 1000),
        },
    )
)
def test_every_field_arrives_and_nothing_else_does(fields: dict[str, Any]) -> None:
    training = Training("mnist", **fields)
    read = MnistTrainingSpec.model_validate(training.object["spec"], extra="forbid")
    places = {
        "workers": read.workers.replicas,
        **read.training.model_dump(),
        **read.storage.model_dump(),
        **read.run_policy.model_dump(),
    }
    assert {name: places[name] for name in fields} == fields
    assert sum(map(len, training.object["spec"].values())) == sum(value is not None for value in fields.values())
    assert Training.of(training.object).spec == read


def test_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(MANIFEST)
    training = Training.from_yaml(path)
    assert (training.name, training.namespace, training.spec.training.epochs) == ("one", "team", 3)
    other = training.replace(name="two", epochs=4, workers={"max_replicas": 4})
    assert other.object["metadata"] == {"name": "two", "namespace": "team"}
    assert other.object["spec"] == {
        "training": {"epochs": 4, "model": "mlp"},
        "workers": {"replicas": 2, "maxReplicas": 4},
    }
    assert training.spec.training.epochs == 3, "the first one is left alone"
    path.write_text(MANIFEST + "---\n" + MANIFEST.replace("one", "two"))
    with pytest.raises(RefusedError, match="holds 2 objects, and one MnistTraining is wanted"):
        Training.from_yaml(path)


def test_how_it_stands() -> None:
    training = Training("mnist")
    assert (training.phase, training.is_final, training.uid, training.run_prefix) == ("Pending", False, None, None)
    assert repr(training) == "<Training mnist: Pending>"
    report = {"attempt": 2, "runId": "r", "state": "Training", "epoch": 1, "epochs": 4, "updatedAt": "t"}
    status = {"phase": "Running", "attempt": 2, "message": "on 2 workers", "training": report | {"progressPercent": 25}}
    training.object["status"] = status
    training.object["metadata"] |= {"namespace": "n", "uid": "u"}
    training.object["spec"] = {"storage": {"output": "s3://models/"}}
    assert (training.progress.share, training.message) == (0.25, "Running: on 2 workers")
    assert training.report is not None
    assert training.report.epoch == 1
    assert repr(training) == "<Training n/mnist: training, epoch 1/4 (attempt 2)>"
    assert training.run_prefix == "s3://models/n/mnist/u"


def test_the_report_of_a_former_attempt_is_none() -> None:
    report = {"attempt": 1, "runId": "r", "state": "Training", "updatedAt": "t"}
    status = {"phase": "Running", "attempt": 2, "training": report}
    assert Training.of({"metadata": {"name": "m"}, "status": status}).report is None


def test_a_failure_says_all_in_one_look() -> None:
    failure = {"attempt": 1, "reason": "X", "time": "t", "logTail": "\n".join(map(str, range(12)))}
    status = {"phase": "Failed", "reason": "X", "message": "it broke", "lastFailure": failure}
    error = Training.of({"metadata": {"name": "m"}, "status": status}).failure()
    assert isinstance(error, TrainingFailed)
    assert str(error).splitlines()[:2] == ["m failed: X: it broke", "  | 2"]
    assert error.log_tail.splitlines()[0] == "0"


def test_a_notebook_shows_it_escaped() -> None:
    training = Training.of({"metadata": {"name": "m"}, "status": {"phase": "Failed", "message": "<script>&"}})
    shown = training._repr_html_()
    assert "&lt;script&gt;&amp;" in shown
    assert "<script" not in shown

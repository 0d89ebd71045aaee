"""What the API itself refuses, before any operator sees it, and in which words."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from tests.integration.operator.conftest import Scene

from mnist_kube.errors import ApiError
from mnist_operator.api import crd
from mnist_operator.api.spec import MnistTrainingSpec

ARCHIVE = {"url": "s3://models/code/net.zip", "sha256": "0" * 64}
CODE_DIGEST = "spec.code.archive.sha256"


@pytest.mark.parametrize(
    ("spec", "field", "sentence"),
    [
        ({"training": {"epochs": 0}}, "spec.training.epochs", "should be greater than or equal to 1"),
        ({"training": {"epochs": "five"}}, "spec.training.epochs", "must be of type integer"),
        ({"training": {"model": "vgg"}}, "spec.training.model", 'supported values: "cnn", "mlp", "lenet5"'),
        ({"training": {"learningRate": 0}}, "spec.training.learningRate", "should be greater than 0"),
        ({"training": {"targetAccuracy": 99.2}}, "spec.training.targetAccuracy", "should be less than or equal to 1"),
        ({"storage": {"dataset": "http://datasets/mnist"}}, "spec.storage.dataset", "should match"),
        ({"storage": {"output": "s3://Models"}}, "spec.storage.output", "should match"),
        ({"storage": {"dataset": "s3://datasets/$(id)"}}, "spec.storage.dataset", "should match"),
        ({"storage": {"endpoint": "minio:9000"}}, "spec.storage.endpoint", "should match"),
        (
            {"workers": {"replicas": 2, "minReplicas": 3}},
            "spec.workers.minReplicas",
            "must not be greater than replicas",
        ),
        ({"workers": {"replicas": 2, "maxReplicas": 1}}, "spec.workers.maxReplicas", "must not be less than replicas"),
        ({"serviceAccount": {"create": False}}, "spec.serviceAccount.name", "name is needed when create is false"),
        (
            {"workers": {"resources": {"limits": {"nvidia.com/gpu": 1}}}},
            "spec.workers.resources",
            "GPUs are asked for by gpusPerWorker, for all groups alike",
        ),
        (
            {"workers": {"additionalGroups": [{"name": "head"}]}},
            "spec.workers.additionalGroups[0].name",
            "the names workers, head and headgroup are taken",
        ),
        (
            {"workers": {"additionalGroups": [{"name": "a", "minReplicas": 2}]}},
            "spec.workers.additionalGroups[0].minReplicas",
            "must not be greater than replicas",
        ),
        (
            {"workers": {"additionalGroups": [{"name": "a"}, {"name": "a"}]}},
            "spec.workers.additionalGroups[1]",
            'Duplicate value: {"name":"a"}',
        ),
        ({"workers": {"additionalGroups": [{"name": "A"}]}}, "spec.workers.additionalGroups[0].name", "should match"),
        ({"workers": {"resources": {"limits": {"cpu": "many"}}}}, "spec.workers.resources.limits.cpu", "should match"),
        ({"code": {}}, "spec.code", "code needs exactly one of module"),
        ({"code": {"module": "net:build", "command": ["python"]}}, "spec.code", "code needs exactly one of module"),
        ({"code": {"module": "net.py"}}, "spec.code.module", "should match"),
        ({"code": {"command": []}}, "spec.code.command", "1 item"),
        (
            {"code": {"module": "net:build", "configMap": {"name": "c"}, "archive": ARCHIVE}},
            "spec.code.archive",
            "from a configMap or from an archive, not from both",
        ),
        ({"code": {"module": "net:build", "archive": {**ARCHIVE, "sha256": "1"}}}, CODE_DIGEST, "should match"),
        (
            {"code": {"module": "net:build", "configMap": {"name": "c"}}, "clusterRef": {"name": "shared"}},
            "spec.code.configMap",
            "a ConfigMap cannot be mounted into the pods of clusterRef, which run already",
        ),
        (
            {"code": {"module": "net:build"}, "training": {"model": "mlp"}},
            "spec.training.model",
            "leave training.model out",
        ),
        (
            {"code": {"command": ["python", "train.py"]}, "training": {"epochs": 9}},
            "spec.training",
            "give epochs and the like to the command as it takes them",
        ),
        (
            {"code": {"command": ["python", "train.py"]}, "training": {"targetAccuracy": 0.9}},
            "spec.training",
            "spec.training describes our own recipe, which code.command replaces",
        ),
    ],
)
def test_bad_specs_are_refused(scene: Scene, spec: dict[str, Any], field: str, sentence: str) -> None:
    with pytest.raises(ApiError) as caught:
        scene.apply(spec=spec)
    assert caught.value.status == 422
    causes = {cause["field"]: cause["message"] for cause in caught.value.details["causes"]}
    assert sentence in causes[field]


@pytest.mark.parametrize(
    "code",
    [
        {"module": "net:build", "configMap": {"name": "net"}},
        {"module": "package.sub.file:build", "archive": ARCHIVE},
        {"command": ["python", "-m", "mine", "--text", "any $WORD; 'quoted'"]},
    ],
)
def test_own_code_is_accepted_and_cannot_be_changed(scene: Scene, code: dict[str, Any]) -> None:
    assert scene.apply(spec={"code": code})["spec"]["code"] == code
    with pytest.raises(ApiError, match="code cannot be changed; delete this training and create another"):
        scene.kube.merge(f"{scene.trainings}/mnist", {"spec": {"code": {**dict.fromkeys(code), "module": "b:c"}}})
    with pytest.raises(ApiError, match="code cannot be changed"):
        scene.kube.merge(f"{scene.trainings}/mnist", {"spec": {"code": None}})


@pytest.mark.parametrize("name", ["a" * 43, "1-begins-with-a-digit", "dots.are.out"])
def test_names_that_do_not_fit_the_children_are_refused(scene: Scene, name: str) -> None:
    with pytest.raises(ApiError) as caught:
        scene.apply(name)
    assert caught.value.status == 422
    assert "the name must" in str(caught.value)


def test_a_name_of_42_characters_is_accepted(scene: Scene) -> None:
    assert scene.apply("a" * 42)["metadata"]["name"] == "a" * 42


def test_unknown_fields_are_refused_for_strict_clients_and_dropped_for_others(scene: Scene) -> None:
    body = {
        "apiVersion": "mnist.training/v1alpha1",
        "kind": "MnistTraining",
        "metadata": {"name": "mnist"},
        "spec": {"training": {"epoch": 5}},
    }
    with pytest.raises(ApiError, match=r'unknown field \\?"spec.training.epoch') as caught:
        scene.kube.create(f"{scene.trainings}?fieldValidation=Strict", body)
    assert caught.value.status == 400
    assert "epoch" not in scene.kube.create(scene.trainings, body)["spec"]["training"]


def test_the_smallest_manifest_is_stored_with_the_frozen_defaults_and_no_more(scene: Scene) -> None:
    stored = scene.apply()["spec"]
    assert stored == {
        "training": {"model": "cnn", "epochs": 5, "batchSize": 64, "seed": 0, "precision": "auto"},
        "workers": {"replicas": 2, "gpusPerWorker": 0},
        "storage": {
            "credentialsSecret": "minio-credentials",
            "dataset": "s3://datasets/mnist",
            "output": "s3://models",
        },
    }
    assert MnistTrainingSpec.model_validate(stored) == MnistTrainingSpec(), "whoever reads it has all of them"


def test_what_somebody_wrote_is_stored_as_it_was_written(scene: Scene) -> None:
    spec = {
        "head": {},
        "runPolicy": {"backoffLimit": 3},
        "serviceAccount": {"annotations": {"a": "b"}},
        "workers": {"replicas": 1, "additionalGroups": [{"name": "spot"}]},
    }
    stored = scene.apply(spec=spec)["spec"]
    assert {name: stored[name] for name in ("head", "runPolicy", "serviceAccount")} == {
        name: spec[name] for name in ("head", "runPolicy", "serviceAccount")
    }
    assert stored["workers"] == {
        "replicas": 1,
        "gpusPerWorker": 0,
        "additionalGroups": [{"name": "spot", "replicas": 1}],
    }


def test_null_is_the_same_as_absent(scene: Scene) -> None:
    spec = {"training": {"learningRate": None}, "clusterRef": None, "ray": {"image": None, "imagePullPolicy": None}}
    stored = scene.apply(spec=spec)
    assert "learningRate" not in stored["spec"]["training"]
    scene.kube.merge(f"{scene.trainings}/mnist", {"spec": spec})


def paths(schema: dict[str, Any], *above: str) -> Iterator[tuple[str, ...]]:
    for name, field in schema.get("properties", {}).items():
        yield (*above, name)
        yield from paths(field, *above, name)


SPEC_SCHEMA = crd.custom_resource_definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]


@pytest.mark.parametrize(
    "path",
    [path for path in paths(SPEC_SCHEMA) if path[0] not in {"clusterRef", "code"} or len(path) == 1],
    ids=".".join,
)
def test_null_is_the_same_as_absent_for_every_field(scene: Scene, path: tuple[str, ...]) -> None:
    spec: dict[str, Any] = {}
    block = spec
    for name in path[:-1]:
        block = block.setdefault(name, {})
    absent = copy.deepcopy(spec)
    block[path[-1]] = None
    assert scene.apply("null", spec)["spec"] == scene.apply("absent", absent)["spec"]


def test_a_default_that_is_written_out_is_the_same_as_an_absent_one(scene: Scene) -> None:
    scene.apply()
    scene.change({"workers": {"gpusPerWorker": 0}, "training": {"seed": 0}})
    scene.change({"workers": {"gpusPerWorker": None}})
    with pytest.raises(ApiError, match="gpusPerWorker cannot be changed"):
        scene.change({"workers": {"gpusPerWorker": 1}})
    scene.apply("gpu", {"workers": {"gpusPerWorker": 1}})
    with pytest.raises(ApiError, match="gpusPerWorker cannot be changed"):
        scene.change({"workers": {"gpusPerWorker": None}}, "gpu")
    with pytest.raises(ApiError, match="gpusPerWorker cannot be changed"):
        scene.change({"workers": None}, "gpu")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"training": {"epochs": 7}}, "spec.training"),
        ({"storage": {"dataset": "s3://datasets/other"}}, "spec.storage.dataset"),
        ({"storage": {"output": "s3://other"}}, "spec.storage.output"),
        ({"clusterRef": {"name": "shared"}}, "spec.clusterRef"),
        ({"workers": {"gpusPerWorker": 1}}, "spec.workers.gpusPerWorker"),
        ({"code": {"module": "net:build"}}, "spec.code"),
    ],
)
def test_what_cannot_change_is_refused_with_a_sentence(scene: Scene, change: dict[str, Any], field: str) -> None:
    scene.apply()
    with pytest.raises(ApiError) as caught:
        scene.kube.merge(f"{scene.trainings}/mnist", {"spec": change})
    assert caught.value.status == 422
    (cause,) = caught.value.details["causes"]
    assert cause["field"] == field
    assert "cannot be changed; delete this training and create another" in cause["message"]


def test_what_may_change_is_accepted(scene: Scene) -> None:
    scene.apply()
    change = {
        "workers": {"replicas": 3, "template": {"spec": {"nodeSelector": {"a": "b"}}}},
        "ray": {"image": "mine:2"},
        "storage": {"credentialsSecret": "other", "endpoint": "https://minio:9000"},
        "runPolicy": {"suspend": True, "activeDeadlineSeconds": 60},
        "head": {"serviceType": "NodePort"},
    }
    changed = scene.kube.merge(f"{scene.trainings}/mnist", {"spec": change})
    assert changed["metadata"]["generation"] == 2


def test_status_is_written_only_through_its_subresource(scene: Scene) -> None:
    scene.apply()
    scene.kube.merge(f"{scene.trainings}/mnist", {"status": {"phase": "Succeeded"}})
    assert scene.status() == {}
    scene.kube.merge(f"{scene.trainings}/mnist/status", {"spec": {"runPolicy": {"suspend": True}}})
    live = scene.kube.get(f"{scene.trainings}/mnist")
    assert live is not None
    assert "runPolicy" not in live["spec"]

"""One object describes a run; what is wrong with it is said in one line that names the flag."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from mnist_trainer.config import RunConfig, TrainingIdentity, parse_config
from mnist_trainer.errors import FailureReason, TrainerError

GOOD = {"dataset": "s3://datasets/mnist", "output": "s3://models/demo"}


def test_defaults():
    config = parse_config(GOOD)
    assert (config.model, config.epochs, config.batch_size, config.workers) == ("cnn", 5, 64, 1)
    assert not config.elastic
    assert config.dataset_address.bucket == "datasets"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 0}, "--epochs 0.*greater than or equal to 1"),
        ({"batch_size": "many"}, "--batch-size 'many'.*integer"),
        ({"dataset": "datasets/mnist"}, "--dataset 'datasets/mnist'.*s3://bucket/path"),
        ({"output": None}, "--output is missing"),
        ({"model": "resnet"}, "--model 'resnet'.*'cnn', 'mlp' or 'lenet5'"),
        ({"learning_rate": float("nan")}, "--learning-rate"),
        ({"target_accuracy": 1.5}, "--target-accuracy 1.5"),
        ({"workers": 2, "min_workers": 3}, "--min-workers .3. is greater than --workers .2."),
        ({"workers": 2, "max_workers": 1}, "--max-workers .1. is less than --workers .2."),
        ({"seed": -1}, "--seed -1"),
    ],
)
def test_mistakes_name_the_flag(change, words):
    with pytest.raises(TrainerError) as caught:
        parse_config({**GOOD, **change})
    assert caught.value.reason is FailureReason.INVALID_CONFIG
    assert re.search(words, caught.value.message), caught.value.message
    assert "\n" not in caught.value.message


def test_elastic_bounds():
    config = parse_config({**GOOD, "workers": 4, "min_workers": 2, "max_workers": 6})
    assert (config.elastic, config.worker_bounds) == (True, (2, 6))


def test_every_flag_of_the_contract_is_a_field():
    contract = json.loads((Path(__file__).parents[3] / "contracts/trainer.json").read_text())
    of_training = {"training_" + name for name in TrainingIdentity.model_fields} | {"storage_secret"}
    fields = set(RunConfig.model_fields) | of_training
    assert {flag.removeprefix("--").replace("-", "_") for flag in contract["flags"]} <= fields


def bounds_of_the_api() -> list[tuple[str, float]]:
    """The smallest and the largest value that the CRD accepts for each number of spec.training."""
    crd = yaml.safe_load((Path(__file__).parents[3] / "crds/mnisttrainings.mnist.training.yaml").read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    found: list[tuple[str, float]] = []
    for name, field in schema["properties"]["training"]["properties"].items():
        if field.get("type") in {"integer", "number"}:
            flag = re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)
            open_end = field.get("exclusiveMinimum", False)
            found += [(flag, 5e-324 if open_end else field["minimum"]), (flag, field["maximum"])]
    return found


@pytest.mark.parametrize(("flag", "value"), bounds_of_the_api())
def test_what_the_api_accepts_the_trainer_accepts(flag, value):
    assert getattr(parse_config({**GOOD, flag: value}), flag) == value

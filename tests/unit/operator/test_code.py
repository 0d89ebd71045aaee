"""Own code: how it reaches the pods and the command line, and what is said of a ConfigMap that is not there."""

from __future__ import annotations

import base64
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.operator.world import World

from mnist_operator.api.code import MAX_WORDS
from mnist_operator.api.spec import MnistTrainingSpec
from mnist_operator.children import job as job_module
from mnist_operator.children.cluster import ray_cluster
from mnist_operator.children.code import MOUNT_PATH, command_words
from mnist_operator.children.pods import DRAIN_VARIABLE
from mnist_operator.children.training import Installation, Training

CONTRACT = json.loads((Path(__file__).parents[3] / "contracts" / "trainer.json").read_text())
INSTALLATION = Installation()
ARCHIVE = {"url": "s3://models/code/train.zip", "sha256": "0" * 64}
CONFIG_MAP = {"module": "net:build", "configMap": {"name": "my-net"}}


def training(code: dict[str, Any], **spec: Any) -> Training:
    return Training("mnist", "default", "uid-1", MnistTrainingSpec.model_validate({"code": code, **spec}))


def containers(owner: Training) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Pod spec and Ray container of head and workers."""
    spec = ray_cluster(owner, "c", INSTALLATION)["spec"]
    pods = [group["template"]["spec"] for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"])]
    return [(pod, pod["containers"][0]) for pod in pods]


def drain_seconds(owner: Training) -> list[str | None]:
    """What head and workers are given for their draining, where they are told it."""
    said = [{env["name"]: env["value"] for env in container["env"]} for _, container in containers(owner)]
    return [env.get(DRAIN_VARIABLE) for env in said]


@pytest.mark.parametrize(
    ("code", "seconds"),
    [
        ({"command": ["python", "train.py"], "configMap": {"name": "mine"}}, ["5", "25"]),
        (CONFIG_MAP, [None, None]),
    ],
)
def test_only_a_scripts_pods_have_time_when_they_are_told_to_end(
    code: dict[str, Any], seconds: list[str | None]
) -> None:
    """Time for the log, and for a checkpoint; the recipe needs none, as the trainer's image has it."""
    assert drain_seconds(training(code)) == seconds
    of_their_image = training(code, ray={"version": "2.61.0", "image": "mine:1"})
    assert drain_seconds(of_their_image) == [second or "0" for second in seconds]


def test_a_config_map_is_mounted_read_only_into_head_and_workers_and_the_trainer_is_told_where() -> None:
    for pod, container in containers(training(CONFIG_MAP)):
        (volume,) = [each for each in pod["volumes"] if "configMap" in each]
        assert volume == {"name": "code", "configMap": {"name": "my-net"}}
        mounted = {each["mountPath"]: each for each in container["volumeMounts"]}[MOUNT_PATH]
        assert mounted == {"name": "code", "mountPath": MOUNT_PATH, "readOnly": True}
        env = {each["name"]: each.get("value") for each in container["env"]}
        assert env[CONTRACT["code"]["variable"]] == MOUNT_PATH == CONTRACT["code"]["mountPath"]
        assert "PYTHONPATH" not in env, "a types.py of the user's would keep Ray from starting"


def test_the_submitter_gets_no_code() -> None:
    job = job_module.ray_job(training(CONFIG_MAP), 1, "c", INSTALLATION)
    assert "configMap" not in json.dumps(job["spec"]["submitterPodTemplate"])


@pytest.mark.parametrize("code", [{"module": "net:build"}, {"module": "net:build", "archive": ARCHIVE}])
def test_code_from_elsewhere_changes_no_pod_but_the_size_of_rays_log_files(code: dict[str, Any]) -> None:
    plain = containers(Training("mnist", "default", "uid-1", MnistTrainingSpec()))
    for (pod, container), (plain_pod, plain_container) in zip(containers(training(code)), plain, strict=True):
        added = container["env"][len(plain_container.get("env", [])) :]
        assert {item["name"]: item["value"] for item in added} == {
            "RAY_ROTATION_MAX_BYTES": "67108864",
            "RAY_ROTATION_BACKUP_COUNT": "1",
        }
        assert pod["volumes"] == plain_pod["volumes"]
        assert container["volumeMounts"] == plain_container["volumeMounts"]


def test_a_network_is_a_flag_of_the_usual_entrypoint() -> None:
    words = job_module.entrypoint(training({"module": "net:build", "archive": ARCHIVE}), 1)
    assert words[:2] == CONTRACT["entrypoint"]
    flags = dict(zip(words[2::2], words[3::2], strict=True))
    assert flags["--code-module"] == "net:build"
    assert (flags["--code-archive"], flags["--code-sha256"]) == (ARCHIVE["url"], ARCHIVE["sha256"])


def test_a_command_has_an_entrypoint_of_its_own_without_the_flags_of_our_recipe() -> None:
    workers = {"replicas": 2, "minReplicas": 1, "maxReplicas": 4}
    code = {"command": ["python", "train.py", "--epochs", "5"], "archive": ARCHIVE}
    words = job_module.entrypoint(training(code, workers=workers), 2)
    assert words[:2] == CONTRACT["runEntrypoint"]
    end = words.index("--")
    assert [word for word in words[:end] if word.startswith("--")] == CONTRACT["runFlags"]
    assert words[end + 1 :] == code["command"]


@given(st.lists(st.text(st.characters(min_codepoint=1, codec="utf-8"), min_size=1), min_size=1, max_size=MAX_WORDS))
def test_no_command_is_changed_by_a_shell(command: list[str]) -> None:
    words = command_words(command)
    assert shlex.join(words) == " ".join(words)
    if words[0] == CONTRACT["code"]["encoded"]:
        assert json.loads(base64.urlsafe_b64decode(words[1])) == command
    else:
        assert words == ["--", *command]


def waiting_for_code(explanation: str | None) -> World:
    """A training whose pods wait for the ConfigMap, a minute after they were made."""
    world = World(spec={"code": CONFIG_MAP})
    world.reconcile()
    world.kuberay_begins()
    world.reconcile()
    world.pass_time(15)
    world.pod_explanation = explanation
    world.reconcile()
    return world


MISSING = 'FailedMount: MountVolume.SetUp failed for volume "code" : configmap "my-net" not found'


def test_a_config_map_that_is_missing_is_named_with_what_to_do() -> None:
    world = waiting_for_code(MISSING)
    assert (world.status.phase, world.status.reason) == ("Provisioning", "CodeNotFound")
    assert "ConfigMap default/my-net, named in spec.code.configMap, does not exist; create it" in world.status.message
    assert [event.warning for event in world.events if event.reason == "CodeNotFound"] == [True]


def test_it_may_come_later_and_the_training_goes_on() -> None:
    world = waiting_for_code(MISSING)
    world.clusters_become_ready()
    world.reconcile()
    assert world.status.reason != "CodeNotFound"
    assert world.job is not None


@pytest.mark.parametrize("told", [None, "Failed: something else", MISSING.replace("my-net", "other")])
def test_other_trouble_is_not_taken_for_a_missing_config_map(told: str | None) -> None:
    assert waiting_for_code(told).status.reason == "ClusterStarting"


def test_events_of_a_pod_are_read_only_where_a_config_map_may_be_missing() -> None:
    assert asked(waiting_for_code(None)) == ["Pod"]
    plain = World()
    plain.reconcile()
    plain.kuberay_begins()
    plain.reconcile()
    plain.pass_time(15)
    assert asked(plain) == []


def asked(world: World) -> list[str]:
    return [action.kind for action in world.reconcile().actions if type(action).__name__ == "Explain"]

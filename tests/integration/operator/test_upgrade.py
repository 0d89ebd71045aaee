"""Trainings of the version before, in every phase, under this version's CRD and operator.

What that version stored is recorded: objects with every default written out, all conditions, larger children.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.integration.operator.conftest import CRDS, Scene, apply_crd, kuberay_crds, new_namespace
from tests.support.kube import Kube
from tests.support.operator import start_operator
from tests.support.wait import wait_for

from mnist_kube.objects import Object
from mnist_operator.api import crd
from mnist_operator.api.spec import MnistTrainingSpec

RECORDED = Path(__file__).parent / "recorded"
FORMER_CRD: Object = yaml.safe_load((RECORDED / "crd-before.yaml").read_text())
FORMER: dict[str, list[Object]] = json.loads((RECORDED / "objects-before.json").read_text())
MANAGED = frozenset({"uid", "resourceVersion", "creationTimestamp", "generation"})


@pytest.fixture(scope="module")
def kube(server: Path) -> Kube:
    """An administrator's client, with the former version's CRD."""
    client = Kube.from_kubeconfig(server)
    for document in [FORMER_CRD, *kuberay_crds()]:
        apply_crd(client, document)
    return client


@pytest.fixture
def upgraded(kube: Kube) -> Iterator[Scene]:
    """A namespace with what the former version stored, under this version's CRD."""

    def refuse(**_: str) -> Any:
        raise AssertionError("the test starts it itself")

    set_crd(kube, FORMER_CRD)
    scene = Scene(kube, new_namespace(kube), refuse)
    scene.add_secret()
    uids = {item["metadata"]["uid"]: stored(kube, scene.trainings, item) for item in FORMER["trainings"]}
    for kind, path in (("rayclusters", scene.kuberay.clusters), ("rayjobs", scene.kuberay.jobs)):
        for item in FORMER[kind]:
            text = json.dumps(item)
            for former, now in uids.items():
                text = text.replace(former, now)
            stored(kube, path, json.loads(text))
            # As Kueue, an autoscaler or KubeRay leaves it: with a spec that was written since it was made.
            kube.merge(f"{path}/{item['metadata']['name']}", {"spec": {"suspend": False}})
    set_crd(kube, yaml.safe_load(crd.crd_text()))
    yield scene
    kube.delete(f"/api/v1/namespaces/{scene.namespace}")


def set_crd(kube: Kube, document: Object) -> None:
    """Replace our CRD, as `helm upgrade` and `helm rollback` do."""
    path = f"{CRDS}/{document['metadata']['name']}"
    live = kube.get(path)
    assert live is not None
    kube.request("PUT", path, {**live, "spec": document["spec"]})


def stored(kube: Kube, path: str, item: Object) -> str:
    """Store a recorded object with its status. Return its new uid."""
    metadata = {key: value for key, value in item["metadata"].items() if key not in {*MANAGED, "namespace"}}
    made = kube.create(path, {**item, "metadata": metadata})
    if item.get("status"):
        kube.merge(f"{path}/{metadata['name']}/status", {"status": item["status"]})
    return str(made["metadata"]["uid"])


def get(scene: Scene, name: str) -> Object:
    found = scene.kube.get(f"{scene.trainings}/{name}")
    assert found is not None
    return found


def test_what_was_recorded_is_a_training_in_every_phase_with_every_default() -> None:
    phases = {item["status"]["phase"] for item in FORMER["trainings"]}
    assert phases == {"Pending", "Provisioning", "Running", "Suspended", "Succeeded", "Failed"}
    assert all(item["spec"]["submission"] == {"mode": "K8sJob"} for item in FORMER["trainings"])


def test_trainings_of_the_former_version_go_on_in_every_phase(
    upgraded: Scene, tmp_path: Path, kube: Kube, server: Path
) -> None:
    scene = upgraded
    before = {item["metadata"]["name"]: get(scene, item["metadata"]["name"]) for item in FORMER["trainings"]}
    assert {name: item["spec"] for name, item in before.items()} == {
        item["metadata"]["name"]: item["spec"] for item in FORMER["trainings"]
    }, "the upgrade takes nothing away"
    clusters = {item["metadata"]["name"]: item["spec"] for item in kube.items(scene.kuberay.clusters)}
    operator = start_operator(server, tmp_path, namespaces=scene.namespace, resync_seconds="1")
    try:
        scene.kuberay.report("running", state="Training", workers=1, epoch=2, epochs=5)
        scene.wait_status("running", message="Training on 1 worker")
        scene.kuberay.seal("running")
        assert scene.wait_status("running", phase="Succeeded")["attempt"] == 1

        scene.walk_to_running("provisioning")
        scene.kuberay.seal("provisioning")
        assert scene.wait_status("provisioning", phase="Succeeded")["attempt"] == 1

        scene.change({"storage": {"credentialsSecret": "minio-credentials"}}, "pending")
        scene.walk_to_running("pending")
        scene.change({"runPolicy": {"suspend": False}}, "suspended")
        scene.walk_to_running("suspended")

        for name in ("succeeded", "failed"):
            now = get(scene, name)
            assert now["metadata"]["resourceVersion"] == before[name]["metadata"]["resourceVersion"], "left as it is"
        changed = scene.change({"runPolicy": {"backoffLimit": 9}}, "succeeded")["metadata"]["generation"]
        scene.wait_status("succeeded", phase="Succeeded", observedGeneration=changed)
        scene.change({"runPolicy": {"ttlSecondsAfterFinished": 0}}, "failed")
        wait_for(lambda: scene.kube.get(f"{scene.trainings}/failed") is None, "the expired training to be deleted")
    finally:
        operator.stop()
    assert "DriftCorrected" not in {event for name in before for event in scene.events(name)}
    for name, spec in clusters.items():
        live = kube.get(f"{scene.kuberay.clusters}/{name}")
        assert live is None or live["spec"] == spec, "a running cluster is not made anew"
    assert "Traceback" not in operator.text()


def test_the_former_crd_fills_a_small_object_with_what_this_version_reads_in_it(upgraded: Scene, kube: Kube) -> None:
    """After a rollback: a real API server fills defaults in when it reads, the embedded one only when it writes."""
    small = upgraded.apply("small", {"training": {"epochs": 3}})
    assert set(small["spec"]) == {"training", "workers", "storage"}
    set_crd(kube, FORMER_CRD)
    wished = MnistTrainingSpec.model_validate(small["spec"]).model_dump(mode="json", by_alias=True, exclude_none=True)
    assert upgraded.apply("again", small["spec"])["spec"] == wished

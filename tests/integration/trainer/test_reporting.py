"""Reports and the storage Secret, at a real API server (the embedded one) with a ServiceAccount's token."""

from __future__ import annotations

import base64

import pytest
from tests.support.s3 import start_s3
from tests.support.training_object import create, reported, set_attempt

from mnist_trainer.config import parse_config
from mnist_trainer.errors import StoreAccessDeniedError
from mnist_trainer.kube.claim import Claim, ReplacedError
from mnist_trainer.kube.reporter import StatusReporter, TrainingState
from mnist_trainer.kube.reporter_client import KubeAccess, KubeError, ReporterClient
from mnist_trainer.run.storage import RunStorage


def test_a_run_from_claim_to_result(kube, client):
    identity = create(kube, "straight")
    reporter = StatusReporter(Claim(client, identity, 1, "run-1"), 1, "run-1")
    reporter.confirm(20)
    assert reported(kube, "straight")["state"] == "Starting"
    reporter.update(TrainingState.TRAINING, epoch=1, epochs=5, progressPercent=20, loss=0.5, accuracy=0.98, workers=2)
    reporter.confirm(20)
    result = {"model": "s3://models/m", "sha256": "0" * 64, "accuracy": 0.99, "trainSeconds": 1.5}
    reporter.update(TrainingState.SUCCEEDED, result=result)
    reporter.confirm(20)
    status = reported(kube, "straight")
    assert (status["runId"], status["state"], status["epoch"]) == ("run-1", "Succeeded", 1)
    assert status["result"] == result  # nothing was pruned by the CRD's schema


def test_the_fence_at_a_real_server(kube, client):
    identity = create(kube, "fenced")
    old = StatusReporter(Claim(client, identity, 1, "old"), 1, "old")
    old.confirm(20)
    new = StatusReporter(Claim(client, identity, 1, "new"), 1, "new")
    new.confirm(20)
    old.update(TrainingState.PUBLISHING)
    with pytest.raises(ReplacedError, match="another process"):
        old.confirm(20)
    set_attempt(kube, "fenced", 2)
    with pytest.raises(ReplacedError, match="at attempt 2"):
        StatusReporter(Claim(client, identity, 1, "late"), 1, "late").confirm(20)
    assert reported(kube, "fenced")["runId"] == "new"


def test_refusals_are_told_apart(client):
    with pytest.raises(KubeError) as caught:
        client.read_secret("default", "absent")
    assert caught.value.status == 404
    nowhere = ReporterClient(KubeAccess("127.0.0.1", 1, client._access.directory))
    with pytest.raises(KubeError, match="no answer from the Kubernetes API") as caught:
        nowhere.read_secret("default", "x")
    assert caught.value.status == 0


@pytest.mark.parametrize("stale", [{}, {"AWS_ACCESS_KEY_ID": "old", "AWS_SECRET_ACCESS_KEY": "rotated-away"}])
def test_credentials_from_the_secret(kube, client, tmp_path, stale):
    name = "rotated" if stale else "shared"
    identity = create(kube, name)
    with start_s3(tmp_path, "datasets") as s3:
        data = {key: base64.b64encode(value.encode()).decode() for key, value in s3.env.items()}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}
        config = parse_config(
            {
                "dataset": "s3://datasets/x",
                "output": "s3://datasets/y",
                "storage_endpoint": s3.endpoint,
                "training": identity.model_dump(),
            }
        )
        with pytest.raises(StoreAccessDeniedError):
            RunStorage(config, stale, client).use(lambda store: store.check(config.dataset_address))
        kube.create("/api/v1/namespaces/default/secrets", secret)
        RunStorage(config, stale, client).use(lambda store: store.check(config.dataset_address))

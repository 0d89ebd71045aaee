"""The plain Ray way: Ray's own client, from outside, to a cluster of KubeRay's; and the example workloads on it."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from PIL import Image
from tests.support.live import NAMESPACE, LiveStack
from tests.support.wait import wait_for

from mnist_cli.local.run import exports
from mnist_kube.resources import RAYCLUSTERS
from mnist_trainer.data import load_folder
from mnist_trainer.store import ObjectStore, S3Address, StoreSettings

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
WORKLOADS = Path(__file__).parents[3] / "examples" / "workloads"
SECONDS = 400.0  # for what takes a few seconds on a machine with nothing else to do
PICTURES = 12

Submit = Callable[..., str]


@pytest.fixture(scope="module")
def submit(stack: LiveStack) -> Iterator[Submit]:
    """`ray job submit` to the cluster of raycluster.yaml, as docs/guides/ray-jobs.md says; returns what it printed.

    A port-forward is what a cluster needs and this machine does not: the dashboard has an address here.
    """
    manifest = yaml.safe_load((WORKLOADS / "raycluster.yaml").read_text())
    name = manifest["metadata"]["name"]
    (group,) = manifest["spec"]["workerGroupSpecs"]
    group |= {"replicas": 1, "minReplicas": 1}  # one node with two CPUs starts sooner than two with one
    group["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"] = "2"
    path = f"{RAYCLUSTERS.path(NAMESPACE)}/{name}"
    stack.kube.create(RAYCLUSTERS.path(NAMESPACE), manifest)

    def head() -> str:
        status = (stack.kube.get(path) or {}).get("status") or {}
        return str(status["head"]["podIP"]) if status.get("state") == "ready" else ""

    address = wait_for(head, "the cluster to be ready", SECONDS, 0.2)
    secret = stack.kube.get(f"/api/v1/namespaces/{NAMESPACE}/secrets/{name}")
    assert secret is not None
    env = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    env |= {
        "RAY_ADDRESS": f"http://{address}:8265",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": base64.b64decode(secret["data"]["auth_token"]).decode(),
    }

    def run(*command: str, code: int = 0, **changed: str) -> str:
        ran = subprocess.run(
            [Path(sys.executable).with_name("ray"), "job", "submit", "--working-dir", WORKLOADS, "--", *command],
            capture_output=True, text=True, timeout=SECONDS, env=env | changed, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert (ran.returncode == 0) == (code == 0), ran.stdout + ran.stderr
        return ran.stdout + ran.stderr

    yield run
    stack.kube.delete(path)
    wait_for(lambda: stack.kube.get(path) is None, "the cluster to be gone", SECONDS, 0.2)


def test_without_the_token_nothing_is_submitted(submit: Submit) -> None:
    said = submit("echo", "hello", code=1, RAY_AUTH_TOKEN="not-the-token-of-this-cluster")
    assert "Invalid authentication token" in said
    assert "submitted successfully" not in said


def test_a_parallel_map_over_the_objects_of_a_bucket(stack: LiveStack, submit: Submit) -> None:
    said = submit("python", "parallel_map.py", "s3://datasets/digits")
    told = dict(reversed(line.split("  ")) for line in said.splitlines() if re.match("[0-9a-f]{64}  s3://", line))
    files = list((stack.root / "s3" / "datasets" / "digits").iterdir())
    assert told == {
        f"s3://datasets/digits/{file.name}": hashlib.sha256(file.read_bytes()).hexdigest() for file in files
    }
    assert "4 objects, by " in said


def test_a_sweep_finds_a_model_and_that_classifies_a_bucket_of_pictures(stack: LiveStack, submit: Submit) -> None:
    said = submit("python", "hyperparameter_sweep.py", "--trials", "2", "--epochs", "2")
    assert len(re.findall(r"^ *\d+\.\d\d%  (?:mlp|lenet5) ", said, flags=re.MULTILINE)) == 2, said
    found = re.search(r"^best model: (s3://models/sweep/\S+/model\.safetensors)$", said, flags=re.MULTILINE)
    assert found, said

    digits = load_folder(stack.root / "s3" / "datasets" / "digits")
    # Through the store's own API: a bucket that appears behind its back is not seen at once.
    store, inbox = (
        ObjectStore(StoreSettings.from_env(exports(stack.root / "s3.env"))),
        S3Address.parse("s3://inbox/scans"),
    )
    store.make_bucket(inbox)
    for index in range(PICTURES):  # ink on paper, of another size
        picture = io.BytesIO()
        Image.fromarray(255 - digits.test_images[index]).resize((84, 84)).save(picture, "png")
        store.put_bytes(inbox.child(f"{index:02}.png"), picture.getvalue())
    store.put_bytes(inbox.child("notes.txt"), b"no picture")
    where = ["--images", "s3://inbox/scans", "--output", "s3://models/predictions.csv"]
    said = submit("python", "batch_inference.py", "--model", found[1], *where)
    assert f"{PICTURES} pictures classified: s3://models/predictions.csv" in said
    rows = list(csv.DictReader((stack.root / "s3" / "models" / "predictions.csv").read_text().splitlines()))
    assert [row["image"] for row in rows] == [f"s3://inbox/scans/{index:02}.png" for index in range(PICTURES)]
    right = sum(int(row["class"]) == int(digits.test_labels[index]) for index, row in enumerate(rows))
    assert right > PICTURES / 3, rows  # chance would be a tenth

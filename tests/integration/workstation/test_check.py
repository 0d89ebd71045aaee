"""`mnistctl check`, and the check that `submit` makes: what would not run is said before it is applied."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.integration.operator.conftest import apply_crd, kuberay_crds
from tests.support.apiserver import start_apiserver
from tests.support.datasets import encode, small_dataset, write_folder
from tests.support.faulty_proxy import DENIED, FaultyProxy
from tests.support.kube import Kube
from tests.support.s3 import S3Handle, start_s3
from tests.support.scene import Ran, Scene, training

from mnist_operator.api import crd


@pytest.fixture(scope="module", autouse=True)
def kuberay(kube: Kube) -> None:
    for document in kuberay_crds():
        apply_crd(kube, document)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Handle]:
    with start_s3(tmp_path_factory.mktemp("s3"), "datasets", "models") as handle:
        write_folder(handle.root / "datasets" / "tiny", encode(small_dataset()))
        yield handle


STORAGE = {"dataset": "s3://datasets/tiny", "output": "s3://models"}


def add(scene: Scene, collection: str, kind: str, name: str, **content: Any) -> None:
    version = "v1" if collection.startswith("/api/") else collection.split("/", 2)[2].rpartition("/")[0]
    version = version.partition("/namespaces")[0]
    scene.kube.create(collection, {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **content})


def add_secret(scene: Scene, values: dict[str, str], name: str = "minio-credentials") -> None:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    add(scene, f"/api/v1/namespaces/{scene.namespace}/secrets", "Secret", name, data=data)


def results(ran: Ran) -> dict[str, str]:
    """Check and result of each finding, from the text."""
    lines = [line.split() for line in ran.out.splitlines()[1:] if not line.startswith(" ")]
    return {words[1]: words[0] for words in lines}


def test_a_training_that_would_run(scene: Scene, s3: S3Handle) -> None:
    add_secret(scene, s3.env)
    ran = scene.ctl("check", str(scene.manifest(storage=STORAGE)))
    assert (ran.code, ran.err) == (0, "")
    names = ("manifest", "kuberay", "secret", "endpoint", "credentials", "dataset", "output")
    assert results(ran) == dict.fromkeys(names, "ok")
    assert not any((s3.root / "models").iterdir()), "what was written to try is gone"
    with pytest.raises(AssertionError):
        scene.get()  # nothing was created

    as_json = json.loads(scene.ctl("check", str(scene.manifest(storage=STORAGE)), "-o", "json").out)
    assert (as_json["name"], as_json["ok"]) == ("mnist", True)
    assert [finding["check"] for finding in as_json["checks"]] == list(names)


def test_what_is_missing_in_the_store_and_the_command_that_makes_it(
    scene: Scene, s3: S3Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_secret(scene, s3.env)
    path = str(scene.manifest(storage={"dataset": "s3://datasets/absent", "output": "s3://nowhere/x"}))
    ran = scene.ctl("check", path)
    assert ran.code == 1
    assert results(ran) | {"dataset": "fail", "output": "fail"} == results(ran)
    make = f"data make-bucket s3://nowhere --endpoint {s3.endpoint}"
    assert f"-> mnistctl {make}\n" in ran.out
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    assert scene.ctl(*make.split()).out == "s3://nowhere made\n"
    assert scene.ctl(*make.split(), "--region", "eu-west-1").out == "s3://nowhere is there already\n"
    assert results(scene.ctl("check", path))["output"] == "ok"


def test_wrong_keys_and_keys_that_may_not_write(scene: Scene, s3: S3Handle) -> None:
    add_secret(scene, s3.env | {"AWS_SECRET_ACCESS_KEY": "hunter2"})
    path = str(scene.manifest(storage=STORAGE))
    ran = scene.ctl("check", path)
    assert ran.code == 1
    assert "fail  credentials" in ran.out
    assert "hunter2" not in ran.out + ran.err

    with FaultyProxy(s3.endpoint) as proxy:
        proxy.only, proxy.always = lambda method, _: method == "PUT", DENIED
        add_secret(scene, s3.env | {"AWS_ENDPOINT_URL": proxy.endpoint}, "reader")
        ran = scene.ctl("check", path, "--set", "spec.storage.credentialsSecret=reader")
    assert (ran.code, results(ran)["dataset"], results(ran)["output"]) == (1, "ok", "fail")
    assert "-> these keys need list, write and delete there" in ran.out


def test_a_secret_that_is_missing_or_lacks_a_key(scene: Scene) -> None:
    path = str(scene.manifest(storage=STORAGE))
    ran = scene.ctl("check", path)
    assert (ran.code, results(ran)) == (1, {"manifest": "ok", "kuberay": "ok", "secret": "fail"})
    assert f"-> kubectl create secret generic minio-credentials -n {scene.namespace} " in ran.out
    add_secret(scene, {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": " "})
    assert "AWS_SECRET_ACCESS_KEY is missing or empty" in scene.ctl("check", path).out


def test_a_secret_that_the_file_brings_is_as_good(scene: Scene, s3: S3Handle) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "minio-credentials"}, "stringData": s3.env}
    documents = [secret, {**training("mnist"), "spec": {"storage": STORAGE}}]
    ran = scene.ctl("check", str(scene.write("both.yaml", yaml.safe_dump_all(documents))))
    assert (ran.code, results(ran)["output"]) == (0, "ok")


def test_a_store_that_only_the_cluster_knows_is_no_error(scene: Scene, s3: S3Handle) -> None:
    inside = f"http://minio.{scene.namespace}.svc:9000"
    add_secret(scene, s3.env | {"AWS_ENDPOINT_URL": inside})
    path = str(scene.manifest(storage=STORAGE))
    ran = scene.ctl("check", path)
    assert (ran.code, results(ran)["endpoint"]) == (1, "fail")
    assert f"there is no Service minio in namespace {scene.namespace}" in ran.out

    services = f"/api/v1/namespaces/{scene.namespace}/services"
    add(scene, services, "Service", "minio", spec={"ports": [{"port": 9000}]})
    ran = scene.ctl("check", path)
    assert (ran.code, results(ran)["endpoint"]) == (0, "warn")
    assert f"{inside} is only reachable inside of the cluster" in ran.out
    assert f"kubectl port-forward -n {scene.namespace} svc/minio 9000:9000" in ran.out
    assert results(scene.ctl("check", path, "--endpoint", s3.endpoint))["output"] == "ok"


def test_a_store_that_does_not_answer_here_may_do_so_there(scene: Scene, s3: S3Handle) -> None:
    add_secret(scene, s3.env | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    ran = scene.ctl("check", str(scene.manifest(storage=STORAGE)))
    assert (ran.code, results(ran)["endpoint"]) == (0, "warn")
    assert "connection refused" in ran.out


def test_a_manifest_that_the_api_refuses(scene: Scene) -> None:
    ran = scene.ctl("check", str(scene.manifest(training={"epochs": 0}, workers=3, ray={"imagePullSecrets": 7})))
    assert (ran.code, results(ran)["manifest"], results(ran)["storage"]) == (1, "fail", "warn")
    ran = scene.ctl("check", str(scene.manifest(training={"epochs": 0})))
    assert "spec.training.epochs" in ran.out


def test_all_that_a_manifest_names_is_looked_for(scene: Scene, s3: S3Handle) -> None:
    add_secret(scene, s3.env)
    pod = {
        "priorityClassName": "high",
        "volumes": [
            {"name": "a", "configMap": {"name": "settings"}},
            {"name": "b", "secret": {"secretName": "extra", "optional": True}},
            {"name": "c", "persistentVolumeClaim": {"claimName": "scratch"}},
        ],
    }
    manifest = {**training("mnist"), "spec": {"storage": STORAGE, "serviceAccount": {"create": False, "name": "mine"}}}
    manifest["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "team"}
    manifest["spec"] |= {"workers": {"template": {"spec": pod}}, "ray": {"imagePullSecrets": [{"name": "registry"}]}}
    path = str(scene.write("named.yaml", manifest))
    ran = scene.ctl("check", path)
    assert ran.code == 1
    missing = {line.split("  ", 2)[2].strip() for line in ran.out.splitlines() if line.startswith(("fail", "warn"))}
    assert {text.removesuffix(" does not exist").split("  ")[-1].strip() for text in missing} == {
        "Kueue is not installed, so that queue team holds nothing back",
        "ServiceAccount mine",
        "Secret registry",
        "PriorityClass high",
        "ConfigMap settings",
        "PersistentVolumeClaim scratch",
    }
    core = f"/api/v1/namespaces/{scene.namespace}"
    add(scene, f"{core}/serviceaccounts", "ServiceAccount", "mine")
    add(scene, f"{core}/configmaps", "ConfigMap", "settings")
    again = scene.ctl("check", path)
    assert "ok    account      ServiceAccount mine is there" in again.out
    assert "ok    template     ConfigMap settings is there" in again.out


def test_a_running_cluster_must_be_there_and_have_the_same_ray(scene: Scene, s3: S3Handle) -> None:
    add_secret(scene, s3.env)
    path = str(scene.manifest(storage=STORAGE, clusterRef={"name": "shared"}))
    assert "RayCluster shared does not exist" in scene.ctl("check", path).out
    container = {"name": "ray-head", "image": "ray"}
    head = {"rayStartParams": {}, "template": {"spec": {"containers": [container]}}}
    clusters = f"/apis/ray.io/v1/namespaces/{scene.namespace}/rayclusters"
    add(scene, clusters, "RayCluster", "shared", spec={"rayVersion": "2.9.0", "headGroupSpec": head})
    assert "RayCluster shared runs Ray 2.9.0, and spec.ray.version is 2.60.0" in scene.ctl("check", path).out


def test_without_kuberay_or_with_an_old_one(tmp_path: Path, scene: Scene) -> None:
    (tmp_path / "bare").mkdir()
    bare = start_apiserver(tmp_path / "bare")
    try:
        kube = Kube.from_kubeconfig(bare.kubeconfig)
        apply_crd(kube, yaml.safe_load(crd.crd_text()))
        arguments = ["check", str(scene.manifest()), "--kubeconfig", str(bare.kubeconfig)]
        assert "fail  kuberay   the cluster does not know ray.io/v1" in scene.ctl(*arguments).out
        for document in kuberay_crds():
            for version in document["spec"]["versions"]:
                version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"].pop("authOptions", None)
            apply_crd(kube, document)
        ran = scene.ctl(*arguments)
        assert "fail  kuberay   its CRDs have no token authentication (authOptions)" in ran.out
        assert "-> install KubeRay 1.5.1 or later" in ran.out
    finally:
        bare.stop()


@pytest.fixture
def guest(scene: Scene) -> Path:
    """The kubeconfig of somebody who may use trainings, and nothing else."""
    core, rbac = f"/api/v1/namespaces/{scene.namespace}", "/apis/rbac.authorization.k8s.io/v1/namespaces"
    add(scene, f"{core}/serviceaccounts", "ServiceAccount", "guest")
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = scene.kube.create(f"{core}/serviceaccounts/guest/token", request)["status"]["token"]
    rules = [{"apiGroups": ["mnist.training"], "resources": ["mnisttrainings"], "verbs": ["*"]}]
    add(scene, f"{rbac}/{scene.namespace}/roles", "Role", "user", rules=rules)
    subject = {"kind": "ServiceAccount", "name": "guest", "namespace": scene.namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "user"}
    add(scene, f"{rbac}/{scene.namespace}/rolebindings", "RoleBinding", "user", subjects=[subject], roleRef=role)
    config = yaml.safe_load(scene.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    return scene.write("guest", config)


def test_who_may_not_read_the_secret_is_told_so_and_goes_on(
    scene: Scene, s3: S3Handle, guest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_secret(scene, s3.env)
    path = str(scene.manifest(storage={**STORAGE, "output": "s3://elsewhere"}))
    ran = scene.ctl("check", path, "--kubeconfig", str(guest))
    assert (ran.code, results(ran)["secret"], results(ran)["manifest"]) == (0, "warn", "ok")
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    ran = scene.ctl("check", path, "--kubeconfig", str(guest))
    assert (ran.code, results(ran)["secret"], results(ran)["output"]) == (1, "warn", "fail"), "with the user's own keys"
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    ran = scene.ctl("check", path, "--kubeconfig", str(guest))
    assert (ran.code, results(ran)["endpoint"]) == (0, "warn"), "the keys are not sent to AWS by guess"
    assert "is not known without the Secret" in ran.out
    for name in s3.env:
        monkeypatch.delenv(name, raising=False)
    ran = scene.ctl("submit", path, "--kubeconfig", str(guest))
    assert ran.code == 0
    assert "warning: Secret" in ran.err
    assert "may not be read by you" in ran.err


def test_submit_refuses_what_the_store_would_fail_unless_told_not_to_ask(scene: Scene, s3: S3Handle) -> None:
    add_secret(scene, s3.env)
    path = str(scene.manifest(storage={**STORAGE, "output": "s3://elsewhere"}))
    ran = scene.ctl("submit", path)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "bucket does not exist" in ran.err
    assert "mnistctl data make-bucket s3://elsewhere" in ran.err
    assert "nothing was submitted; --no-check leaves this check out" in ran.err
    assert scene.ctl("submit", path, "--dry-run").code == 0
    assert scene.ctl("submit", path, "--no-check").code == 0
    # It is there now and has found out itself: a change of it asks no store.
    assert scene.ctl("submit", path, "--set", "spec.runPolicy.suspend=true").out.endswith("mnist configured\n")


def test_submit_goes_on_where_the_secret_may_come_later(scene: Scene) -> None:
    ran = scene.ctl("submit", str(scene.manifest(storage=STORAGE)))
    assert (ran.code, ran.out) == (0, "mnisttraining.mnist.training/mnist created\n")
    assert ran.err == (
        f"warning: Secret {scene.namespace}/minio-credentials, named in spec.storage.credentialsSecret, "
        "does not exist\n"
    )


def test_input_that_is_no_manifest_is_exit_code_2(scene: Scene) -> None:
    for arguments in (["none.yaml"], [os.devnull], [str(scene.manifest()), "-o", "yaml"]):
        ran = scene.ctl("check", *arguments)
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1), arguments

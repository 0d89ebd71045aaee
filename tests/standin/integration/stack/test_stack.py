"""The stack with its real parts: what comes up, what a crash does, and that nothing is left."""

import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.kube import Kube
from tests.support.processes import assert_none_left, processes_of
from tests.support.stack import StackHandle
from tests.support.wait import wait_for

from mnist_cli.local.run import exports
from mnist_kube.errors import ApiError
from mnist_local.stack import stack_process
from mnist_local.stack.layout import Layout
from mnist_trainer.store import ObjectStore, S3Address, StoreSettings

PARTS = ["API server", "object store", "KubeRay", "operator"]
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def allowed(kube: Kube, verb: str, resource: str, group: str = "") -> bool:
    spec = {"resourceAttributes": {"verb": verb, "resource": resource, "group": group, "namespace": "default"}}
    answer = kube.create(
        REVIEWS, {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": spec}
    )
    return bool(answer["status"]["allowed"])


def store_of(root: Path) -> ObjectStore:
    return ObjectStore(StoreSettings.from_env(exports(root / "s3.env")))


def answers(kube: Kube) -> bool:
    try:
        return kube.get("/api/v1/namespaces/default") is not None
    except ApiError:
        return False


def test_up_and_down(tmp_path: Path) -> None:
    root = tmp_path / "stack"
    with StackHandle(root) as stack:
        up = stack.expect("up")
        for name in ("kubeconfig", "s3.env", "operator/kubeconfig"):
            assert stat.S_IMODE((root / name).stat().st_mode) == 0o600, name

        admin = Kube.from_kubeconfig(Path(up["kubeconfig"]))
        secret = admin.get("/api/v1/namespaces/default/secrets/minio-credentials")
        assert secret is not None
        assert set(secret["data"]) == {
            "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_REGION",
        }  # fmt: skip
        for path in ("/apis/mnist.training/v1alpha1/mnisttrainings", "/apis/ray.io/v1/rayclusters"):
            assert (admin.get(path) or {})["items"] == []

        operator = Kube.from_kubeconfig(root / "operator" / "kubeconfig")
        assert allowed(operator, "create", "rayclusters", "ray.io")
        assert not allowed(operator, "list", "secrets")
        assert not allowed(operator, "delete", "namespaces")

        store = store_of(root)
        store.make_bucket(S3Address("models"))
        store.put_bytes(S3Address("models", "x"), b"kept")

        # No secret in a command line, where everyone could read it.
        secret_key = store.settings.secret_key or "?"
        assert all(secret_key not in command for command in processes_of(root).values())

        second = subprocess.run(
            [sys.executable, "-m", "mnist_local.stack", "--dir", str(root)], capture_output=True, text=True, timeout=30
        )
        assert second.returncode == 2
        assert "already running" in second.stdout
        assert str(stack.process.pid) in second.stdout

        assert stack_process.running(Layout.at(root)) is not None
        assert stack_process.end(Layout.at(root))
        assert stack.process.wait(30) == 0
    assert_none_left(root)
    assert not (root / "kubeconfig").exists()
    assert not (root / "s3.env").exists()
    assert (root / "s3" / "models" / "x").read_bytes() == b"kept"
    assert stack_process.running(Layout.at(root)) is None
    assert not stack_process.end(Layout.at(root))

    with StackHandle(root) as again:
        again.expect("s3")
        assert store_of(root).get_bytes(S3Address("models", "x")) == b"kept"
    assert_none_left(root)


@pytest.mark.parametrize("name", [part for part in PARTS if part != "KubeRay"])  # that is tests/e2e/local's
def test_a_crash_ends_the_stack_and_says_what_happened(tmp_path: Path, name: str) -> None:
    root = tmp_path / "stack"
    with StackHandle(root) as stack:
        stack.expect("up")
        stack.kill_part(name)
        failed = stack.expect("failed", 40)
        assert failed["message"] == f"{name} ended by itself (killed by SIGKILL)"
        assert Path(failed["log"]).exists()
        assert failed["tail"]
        assert stack.process.wait(30) == 1
    assert_none_left(root)
    assert stack_process.last_failure(Layout.at(root)) == failed["message"]


def test_crashed_parts_come_back_in_the_background(tmp_path: Path) -> None:
    root = tmp_path / "stack"
    with StackHandle(root, "--restart") as stack:
        stack.expect("up")
        endpoint = store_of(root).settings.endpoint
        admin = Kube.from_kubeconfig(root / "kubeconfig")
        maps = "/api/v1/namespaces/default/configmaps"
        admin.create(maps, {"metadata": {"name": "kept"}})
        for name in ("operator", "object store", "KubeRay", "API server"):
            before = stack.kill_part(name)
            told = stack.expect("restart", 20)
            assert (told["part"], "killed by SIGKILL" in told["message"]) == (name, True)
            wait_for(lambda n=name, b=before: stack.part(n)["pid"] not in (None, b), f"{name} to come back", 30)
            assert stack.part(name)["restarts"] == 1
        store = store_of(root)
        assert store.settings.endpoint == endpoint
        store.make_bucket(S3Address("models"))

        # It is where it was, knows what it knew, and takes the tokens that it has given out.
        wait_for(lambda: answers(admin), "the API server to answer", 30)
        assert admin.get(f"{maps}/kept")
        assert allowed(Kube.from_kubeconfig(root / "operator" / "kubeconfig"), "create", "rayclusters", "ray.io")
    assert_none_left(root)


def test_a_killed_stack_takes_everything_along(tmp_path: Path) -> None:
    root = tmp_path / "stack"
    with StackHandle(root) as stack:
        stack.expect("up")
        assert len(processes_of(root)) >= 5
        stack.process.kill()
        stack.process.wait(10)
        assert_none_left(root)
    # What it left lying about does not stop the next one.
    assert (root / "stack.json").exists()
    with StackHandle(root) as again:
        again.expect("up")


def test_the_end_of_the_life_line_ends_it(tmp_path: Path) -> None:
    root = tmp_path / "stack"
    with StackHandle(root, "--lifeline") as stack:
        stack.expect("s3")
        assert stack.process.stdin
        stack.process.stdin.close()  # as when the command that started it was killed
        assert stack.process.wait(40) == 0
    assert_none_left(root)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_during_the_start(tmp_path: Path, number: signal.Signals) -> None:
    root = tmp_path / "stack"
    with StackHandle(root) as stack:
        wait_for(lambda: (root / "stack.json").exists(), "the stack to begin", 30)
        time.sleep(0.2)
        stack.process.send_signal(number)
        assert stack.process.wait(40) == 0
    assert_none_left(root)


def refusal(root: Path, *arguments: str, **env: str) -> str:
    with StackHandle(root, *arguments, env=env) as stack:
        failed = stack.expect("failed", 30)
        assert stack.process.wait(30) == 2
    assert failed["refused"]
    assert "\n" not in failed["message"]
    return str(failed["message"])


@pytest.fixture
def taken() -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield str(listener.getsockname()[1])


@pytest.mark.parametrize("option", ["--api-port", "--s3-port"])
def test_a_taken_port(tmp_path: Path, option: str, taken: str) -> None:
    said = refusal(tmp_path / "stack", option, taken)
    assert f"port {taken} on 127.0.0.1 is taken: choose another {option}" in said


def test_no_space(tmp_path: Path) -> None:
    said = refusal(tmp_path / "stack", MNIST_LOCAL_MIN_FREE_BYTES=str(1 << 60))
    assert said.startswith("no space left: ")


def test_folders_of_others(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "mine").write_text("precious")
    assert "is not a folder of `mnistctl local`" in refusal(tmp_path)
    assert (tmp_path / "logs" / "mine").read_text() == "precious"
    (tmp_path / "file").write_text("")
    assert "cannot be used" in refusal(tmp_path / "file" / "below")
    assert "cannot be used" in refusal(tmp_path / "file")

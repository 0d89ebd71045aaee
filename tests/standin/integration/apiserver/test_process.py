"""The server as a process: how it starts, refuses to start, and ends; and pod logs, which it reads from disk."""

import json
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.support.apiserver import ApiServer, start_apiserver
from tests.support.cluster import MERGE, Cluster
from tests.support.wait import wait_for


def test_it_writes_a_private_kubeconfig_and_ends_cleanly(tmp_path: Path) -> None:
    server = start_apiserver(tmp_path)
    try:
        assert stat.S_IMODE(server.kubeconfig.stat().st_mode) == 0o600
        assert "BEGIN CERTIFICATE" in server.ca_file.read_text()
        cluster = Cluster.connect(server.kubeconfig)
        with cluster.watching("/api/v1/namespaces", timeoutSeconds=60) as events:
            next(events)
            # An open watch does not hold the server up.
            assert server.stop() == 0
        cluster.close()
    finally:
        server.stop()
    assert not server.kubeconfig.exists()


def test_a_taken_port_is_said_in_one_line(apiserver: ApiServer, tmp_path: Path) -> None:
    port = apiserver.url.rpartition(":")[2]
    done = subprocess.run(
        [sys.executable, "-m", "mnist_local.apiserver", "--data-dir", str(tmp_path / "data"), "--port", port],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines() == [f"error: cannot listen on 127.0.0.1:{port}: Address already in use"]
    assert not (tmp_path / "data").exists()


def test_tokens_are_not_logged(apiserver: ApiServer) -> None:
    log = (apiserver.data_dir.parent / "apiserver.log").read_text()
    assert "serving https://127.0.0.1" in log
    assert apiserver.token not in log


@pytest.fixture
def pod(cluster: Cluster, namespace: str, apiserver: ApiServer) -> Path:
    """The log file of the one container of a running pod `p`."""
    sent = {"metadata": {"name": "p"}, "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "none"}]}}
    made = cluster.expect(201, "POST", cluster.core(namespace, "pods"), sent).body
    set_state(cluster, namespace, {"running": {}}, "Running")
    folder = apiserver.pod_log_dir / f"{namespace}_p_{made['metadata']['uid']}" / "c"
    folder.mkdir(parents=True)
    return folder / "0.log"


def set_state(cluster: Cluster, namespace: str, state: dict, phase: str) -> None:
    status = {"phase": phase, "containerStatuses": [{"name": "c", "state": state, "ready": True}]}
    path = cluster.core(namespace, "pods", "p") + "/status"
    cluster.expect(200, "PATCH", path, {"status": status}, content_type=MERGE)


def test_logs_are_read(cluster: Cluster, namespace: str, pod: Path) -> None:
    path = cluster.core(namespace, "pods", "p") + "/log"
    pod.write_text("one\ntwo\nthree\n")
    answer = cluster.expect(200, "GET", path)
    assert answer.body == "one\ntwo\nthree\n"
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert cluster.expect(200, "GET", path + "?tailLines=2").body == "two\nthree\n"
    assert cluster.expect(200, "GET", path + "?tailLines=0").body == ""
    assert "sinceSeconds" in cluster.expect(400, "GET", path + "?sinceSeconds=60").body["message"]
    assert cluster.kubectl("logs", "p", "-n", namespace, "--tail=1").stdout == "three\n"


def test_logs_are_followed_to_the_end(cluster: Cluster, namespace: str, pod: Path) -> None:
    pod.write_text("one\n")
    process = cluster.start_kubectl("logs", "-f", "p", "-n", namespace)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "one\n"
        with pod.open("a") as file:
            file.write("two\n")
        assert process.stdout.readline() == "two\n"
        with pod.open("a") as file:
            file.write("three\n")
        set_state(cluster, namespace, {"terminated": {"exitCode": 0}}, "Succeeded")
        assert process.stdout.readline() == "three\n"
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def test_logs_that_cannot_be_had(cluster: Cluster, namespace: str, pod: Path) -> None:
    path = cluster.core(namespace, "pods", "p") + "/log"
    refused = cluster.expect(400, "GET", path + "?container=other").body
    assert refused["message"] == "container other is not valid for pod p"
    set_state(cluster, namespace, {"waiting": {"reason": "ContainerCreating"}}, "Pending")
    refused = cluster.expect(400, "GET", path).body
    assert refused["message"] == 'container "c" in pod "p" is waiting to start: ContainerCreating'
    cluster.expect(404, "GET", cluster.core(namespace, "pods", "none") + "/log")


def test_requests_at_the_same_time(cluster: Cluster, namespace: str) -> None:
    """Of many writers that read the same version, one wins each time and none is lost."""
    path = cluster.core(namespace, "configmaps", "counter")
    cluster.expect(
        201, "POST", cluster.core(namespace, "configmaps"), {"metadata": {"name": "counter"}, "data": {"n": "0"}}
    )

    def count() -> None:
        for _ in range(5):
            while True:
                body = cluster.expect(200, "GET", path).body
                body["data"]["n"] = str(int(body["data"]["n"]) + 1)
                answer = cluster.request("PUT", path, body)
                if answer.status == 200:
                    break
                assert answer.status == 409

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for(lambda: cluster.expect(200, "GET", path).body["data"]["n"] == "20", "all counts")


def test_secrets_stay_out_of_refusals(cluster: Cluster, namespace: str) -> None:
    path = cluster.core(namespace, "secrets")
    for data in ({"key": "%%hunter2%%"}, {"key": {"hunter2": "hunter2"}}):
        answer = cluster.request("POST", path, {"metadata": {"name": "s"}, "data": data})
        assert answer.status == 400
        assert "hunter2" not in json.dumps(answer.body)

"""A durable server that is killed goes on as if it had never been away, but for watches, which start again."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.apiserver import ApiServer, start_apiserver
from tests.support.cluster import MERGE, Cluster
from tests.support.wait import wait_for

from mnist_kube.errors import ApiError

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
THINGS = "/apis/durable.example/v1/namespaces/default/things"
MAPS = "/api/v1/namespaces/default/configmaps"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[ApiServer]]:
    started = [start_apiserver(tmp_path, "--durable")]
    yield started
    for server in started:
        server.stop()


def start_again(servers: list[ApiServer], tmp_path: Path, number: signal.Signals) -> None:
    """End the server and start another where it was."""
    former = servers[-1]
    former.process.send_signal(number)
    former.process.wait(20)
    former.kubeconfig.unlink(missing_ok=True)
    servers.append(start_apiserver(tmp_path, "--durable", "--port", former.url.rpartition(":")[2]))


def definition() -> dict[str, Any]:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"n": {"type": "integer"}}}}}
    return {
        "metadata": {"name": "things.durable.example"},
        "spec": {
            "group": "durable.example",
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def thing(name: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "durable.example/v1", "kind": "Thing", "metadata": {"name": name, **metadata}}


def owned(obj: dict[str, Any]) -> list[dict[str, Any]]:
    reference = {key: obj[key] for key in ("apiVersion", "kind")}
    return [{**reference, "name": obj["metadata"]["name"], "uid": obj["metadata"]["uid"], "controller": True}]


def test_killed_and_started_again(servers: list[ApiServer], tmp_path: Path) -> None:
    cluster = Cluster.connect(servers[-1].kubeconfig)
    cluster.expect(201, "POST", DEFINITIONS, definition())
    wait_for(lambda: cluster.request("GET", THINGS).status == 200, "the kind to be served")
    owner = cluster.expect(201, "POST", THINGS, thing("owner")).body
    cluster.expect(201, "POST", THINGS, thing("child", ownerReferences=owned(owner)))
    cluster.expect(201, "POST", THINGS, thing("going", finalizers=["example.org/hold"]))
    cluster.expect(200, "DELETE", f"{THINGS}/going")
    cluster.expect(201, "POST", THINGS, thing("gone"))
    cluster.expect(200, "DELETE", f"{THINGS}/gone")
    uid = cluster.expect(201, "POST", ACCOUNTS, {"metadata": {"name": "robot"}}).body["metadata"]["uid"]
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    token = cluster.expect(201, "POST", f"{ACCOUNTS}/robot/token", request).body["status"]["token"]
    binding = {
        "metadata": {"name": "robot"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": "default"}],
    }
    cluster.expect(201, "POST", BINDINGS, binding)
    before = {item["metadata"]["name"]: item for item in cluster.expect(200, "GET", THINGS).body["items"]}
    assert set(before) == {"owner", "child", "going"}
    version = cluster.expect(201, "POST", MAPS, {"metadata": {"name": "last"}}).body["metadata"]["resourceVersion"]

    start_again(servers, tmp_path, signal.SIGKILL)

    # Same address, same CA, same tokens: the client of before goes on, and so does a ServiceAccount's.
    after = cluster.expect(200, "GET", THINGS).body
    assert {item["metadata"]["name"]: item for item in after["items"]} == before
    assert int(after["metadata"]["resourceVersion"]) >= int(version)
    assert cluster.expect(200, "GET", f"{MAPS}/last", token=token).body["metadata"]["resourceVersion"] == version
    cluster.expect(403, "POST", MAPS, {"metadata": {"name": "x"}}, token=token)
    assert cluster.expect(200, "GET", f"{ACCOUNTS}/robot").body["metadata"]["uid"] == uid
    # Versions go on. What a watch has missed is not known any more, and it is told so.
    changed = cluster.expect(200, "PATCH", f"{MAPS}/last", {"data": {"a": "b"}}, content_type=MERGE).body
    assert int(changed["metadata"]["resourceVersion"]) > int(version)
    with cluster.watching(THINGS, resourceVersion=owner["metadata"]["resourceVersion"]) as events:
        assert next(events)["object"]["code"] == 410
    with cluster.watching(MAPS, resourceVersion=version) as events:
        assert next(events)["object"]["metadata"]["name"] == "last"
    # What was under way goes on: finalizers hold, owners take their dependents along.
    assert cluster.expect(200, "GET", f"{THINGS}/going").body["metadata"]["deletionTimestamp"]
    cluster.expect(200, "PATCH", f"{THINGS}/going", {"metadata": {"finalizers": None}}, content_type=MERGE)
    cluster.expect(404, "GET", f"{THINGS}/going")
    cluster.expect(200, "DELETE", f"{THINGS}/owner", {"propagationPolicy": "Background"})
    wait_for(lambda: cluster.request("GET", f"{THINGS}/child").status == 404, "the dependent to go")
    cluster.close()


def test_stopped_in_order_it_keeps_everything_too(servers: list[ApiServer], tmp_path: Path) -> None:
    cluster = Cluster.connect(servers[-1].kubeconfig)
    cluster.expect(201, "POST", MAPS, {"metadata": {"name": "kept"}})
    start_again(servers, tmp_path, signal.SIGTERM)
    cluster.expect(200, "GET", f"{MAPS}/kept")
    cluster.close()


def test_on_a_full_disk_it_ends_with_one_clear_line_and_goes_on_later(servers: list[ApiServer], tmp_path: Path) -> None:
    cluster = Cluster.connect(servers[-1].kubeconfig)
    cluster.expect(201, "POST", MAPS, {"metadata": {"name": "kept"}})
    journal = servers[-1].data_dir / "state" / "journal.jsonl"
    room = journal.stat().st_size + 200
    resource.prlimit(servers[-1].process.pid, resource.RLIMIT_FSIZE, (room, room))
    with pytest.raises(ApiError, match="Unreachable"):
        cluster.request("POST", MAPS, {"metadata": {"name": "lost"}, "data": {"k": "v" * 2000}})
    assert servers[-1].process.wait(20) == 1
    told = [line for line in (tmp_path / "apiserver.log").read_text().splitlines() if "cannot be written" in line]
    assert len(told) == 1
    assert "The API server ends" in told[0]
    assert "Traceback" not in (tmp_path / "apiserver.log").read_text()
    start_again(servers, tmp_path, signal.SIGTERM)
    cluster.expect(200, "GET", f"{MAPS}/kept")
    cluster.expect(404, "GET", f"{MAPS}/lost")
    cluster.close()

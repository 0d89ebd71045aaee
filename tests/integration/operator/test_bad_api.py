"""An API server that is busy, fails, or loses requests and answers; and an operator that is asked to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3
from tests.integration.operator.conftest import Scene
from tests.support.kube_proxy import FAULTS, KubeProxy
from tests.support.operator import OperatorProcess, start_operator
from tests.support.wait import wait_for

NAMES = [f"mnist{number}" for number in range(2)]
LEASE = {"lease_name": "mnist-operator", "identity": "first"}


@pytest.fixture
def proxy(server: Path, tmp_path: Path) -> Iterator[KubeProxy]:
    handle = KubeProxy(server, tmp_path, seed=7)
    yield handle
    handle.close()


@pytest.fixture
def start(proxy: KubeProxy, scene: Scene, tmp_path: Path) -> Iterator[Callable[..., OperatorProcess]]:
    """Start operators that speak to the proxy."""
    operators: list[OperatorProcess] = []

    def one(**settings: str) -> OperatorProcess:
        operators.append(start_operator(proxy.kubeconfig, tmp_path, namespaces=scene.namespace, **settings))
        return operators[-1]

    yield one
    for operator in operators:
        if operator.process.poll() is None:
            operator.kill()


def test_a_third_of_all_requests_fails_and_every_life_ends_well(
    scene: Scene, proxy: KubeProxy, start: Callable[..., OperatorProcess]
) -> None:
    operator = start(**LEASE, lease_namespace=scene.namespace)
    wait_for(lambda: "holding Lease" in operator.text(), "the operator to be active")
    scene.add_secret()
    proxy.spoiled = 0.33
    for name in NAMES:
        scene.apply(name)
    for name in NAMES:
        scene.wait_exists(f"{scene.kuberay.clusters}/{scene.cluster(name=name)}")
        scene.kuberay.cluster_ready(scene.cluster(name=name))
    proxy.cut_watches()
    for name in NAMES:
        scene.wait_exists(f"{scene.kuberay.jobs}/{name}-1")
        scene.kuberay.job_runs(f"{name}-1")
        scene.wait_status(name, phase="Running")
        scene.kuberay.seal(name)
        scene.kuberay.job_ends(f"{name}-1", well=True)
    for name in NAMES:
        status = scene.wait_status(name, phase="Succeeded")
        assert (status["attempt"], status["failures"]) == (1, 0), "trouble of the API is no failure of the training"
    assert sorted(job["metadata"]["name"] for job in scene.kube.items(scene.kuberay.jobs)) == [f"{n}-1" for n in NAMES]
    assert set(proxy.faults) == set(FAULTS), "all kinds of trouble were met"
    assert "Traceback" not in operator.text()


def test_what_is_in_hand_is_ended_before_the_operator_ends(
    scene: Scene, proxy: KubeProxy, start: Callable[..., OperatorProcess]
) -> None:
    operator = start(**LEASE, lease_namespace=scene.namespace)
    wait_for(lambda: "holding Lease" in operator.text(), "the operator to be active")
    scene.add_secret()
    proxy.delay = 0.4
    scene.apply("mnist")
    wait_for(
        lambda: scene.status().get("attempt") == 1 and proxy.in_hand > 0, "a reconcile to be under way", every=0.01
    )
    assert operator.stop() == 0
    assert proxy.abandoned == []
    lease = scene.kube.get(f"/apis/coordination.k8s.io/v1/namespaces/{scene.namespace}/leases/mnist-operator")
    assert lease is not None
    assert not lease["spec"].get("holderIdentity"), "given back, so that a standby need not wait"


def test_an_operator_is_alive_and_not_ready_while_the_api_cannot_be_read(
    scene: Scene, proxy: KubeProxy, start: Callable[..., OperatorProcess], unused_tcp_port: int
) -> None:
    proxy.spoiled = 1.0
    start(health_port=str(unused_tcp_port), bind_address="127.0.0.1")

    def probe(path: str) -> int:
        try:
            return urllib3.request("GET", f"http://127.0.0.1:{unused_tcp_port}{path}", retries=False).status
        except urllib3.exceptions.HTTPError:
            return 0

    wait_for(lambda: sum(proxy.faults.values()) > 2, "the operator to have tried")
    assert (probe("/healthz"), probe("/readyz")) == (200, 503)
    proxy.spoiled = 0.0
    wait_for(lambda: probe("/readyz") == 200, "the operator to be ready")

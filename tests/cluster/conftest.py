"""The cluster that KUBECONFIG points to, or else the embedded API server."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.apiserver import start_apiserver
from tests.support.cluster import Cluster, widget_definition

collect_ignore = [] if os.environ.get("KUBECONFIG") else ["real"]
"""What only a real cluster can prove is not even collected without one."""


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An administrator's kubeconfig."""
    if given := os.environ.get("KUBECONFIG"):
        yield Path(given)
        return
    server = start_apiserver(tmp_path_factory.mktemp("cluster"))
    yield server.kubeconfig
    server.stop()


@pytest.fixture(scope="session")
def cluster(kubeconfig: Path) -> Iterator[Cluster]:
    """The cluster, with the tests' own custom resource defined."""
    connected = Cluster.connect(kubeconfig)
    with widget_definition(connected):
        yield connected
    connected.close()

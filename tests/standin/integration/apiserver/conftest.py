"""One embedded API server for all tests of a process."""

from collections.abc import Iterator

import pytest
from tests.support.apiserver import ApiServer, start_apiserver
from tests.support.cluster import Cluster


@pytest.fixture(scope="session")
def apiserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The server's process."""
    server = start_apiserver(tmp_path_factory.mktemp("apiserver"))
    yield server
    assert server.stop() == 0, "the API server did not end cleanly"


@pytest.fixture(scope="session")
def cluster(apiserver: ApiServer) -> Iterator[Cluster]:
    """The server as a cluster."""
    connected = Cluster.connect(apiserver.kubeconfig)
    yield connected
    connected.close()

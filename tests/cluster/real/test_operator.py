"""The operator's own tests against a real API server, with KubeRay and the trainer played by a script."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

import pytest
from tests.integration.operator.conftest import kube, scene  # noqa: F401 - fixtures
from tests.support.kube import Kube

for _area in ("api", "straight_path", "trouble", "lease"):
    _name = f"tests.integration.operator.test_{_area}"
    pytest.register_assert_rewrite(_name)
    globals().update({key: value for key, value in vars(import_module(_name)).items() if key.startswith("test_")})


@pytest.fixture(scope="module")
def server() -> Path:
    """The cluster of KUBECONFIG, where no KubeRay of its own may answer for the script."""
    found = os.environ["KUBECONFIG"]
    deployments = Kube.from_kubeconfig(Path(found)).items("/apis/apps/v1/deployments")
    if any("kuberay" in item["metadata"]["name"] for item in deployments):
        pytest.skip("KubeRay runs in this cluster; it would answer beside the script that plays it here")
    return Path(found)

"""The operator as kopf's own users run theirs in tests: in this process, by `kopf.testing.KopfRunner`."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import kopf
import pytest
from kopf.testing import KopfRunner
from tests.integration.operator.conftest import Scene

from mnist_operator.handlers import kopf_settings
from mnist_operator.run import serving
from mnist_operator.settings import Settings


def test_a_training_goes_from_its_manifest_to_its_model(
    scene: Scene, server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(server))
    settings = Settings(namespaces=(scene.namespace,), health_port=0)
    registry, stack = kopf.OperatorRegistry(), AsyncExitStack()

    @kopf.on.startup(registry=registry)
    async def begin(**_: object) -> None:
        await stack.enter_async_context(serving(settings, registry))

    @kopf.on.cleanup(registry=registry)
    async def end(**_: object) -> None:
        await stack.aclose()

    command = ["run", "--standalone", "--namespace", scene.namespace]
    with KopfRunner(command, registry=registry, settings=kopf_settings(clusterwide=False), timeout=30) as runner:
        scene.add_secret()
        scene.apply()
        scene.walk_to_running()
        scene.kuberay.seal("mnist")
        scene.wait_status(phase="Succeeded")
    assert runner.exit_code == 0
    assert runner.exception is None
    assert scene.warnings() == []

"""The operator as a uid that stands in no passwd file, without a home: distroless images and OpenShift run it so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.integration.operator.conftest import Scene
from tests.support.operator import environment_of_nobody, start_operator


def test_the_scene_is_real(tmp_path: Path) -> None:
    asks = [sys.executable, "-c", "import getpass; getpass.getuser()"]
    answer = subprocess.run(asks, env=environment_of_nobody(tmp_path), capture_output=True, text=True, check=False)
    assert "uid not found" in answer.stderr


def test_it_serves_trainings(scene: Scene, server: Path, tmp_path: Path) -> None:
    operator = start_operator(server, tmp_path, environment_of_nobody(tmp_path), namespaces=scene.namespace)
    try:
        scene.add_secret()
        scene.apply()
        scene.walk_to_running()
        assert operator.process.poll() is None
    finally:
        operator.stop()
    assert "Traceback" not in operator.text()

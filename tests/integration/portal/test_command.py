"""`mnistctl portal` as a process: one address that opens it once, on this machine alone, and an end that is an end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import requests
from tests.support.apiserver import ApiServer
from tests.support.portal import PortalScene
from tests.support.wait import wait_for


def test_it_prints_its_address_keeps_the_present_one_in_a_file_and_ends_with_ctrl_c(
    server: ApiServer, scene: PortalScene, tmp_path: Path
) -> None:
    scene.running("runs")
    kept, out = tmp_path / "address", tmp_path / "out"
    command = [sys.executable, "-m", "mnist_cli", "portal", "--no-open", "--address-file", str(kept)]
    command += ["--kubeconfig", str(server.kubeconfig), "-n", scene.namespace]
    with out.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: "Ctrl-C ends it" in out.read_text(), "the address")
        address = out.read_text().splitlines()[0]
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/enter\?token=[\w-]{43}", address)
        assert kept.read_text().strip() == address
        assert kept.stat().st_mode & 0o077 == 0
        page = requests.get(address, timeout=30)
        assert f"row-{scene.namespace}--runs" in page.text
        assert requests.get(address, timeout=30).status_code == 403
        fresh = kept.read_text().strip()
        assert fresh != address
        assert requests.get(fresh, timeout=30).status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert not kept.exists()
    finally:
        process.kill()
        process.wait()


def test_a_port_that_is_taken_is_said_in_one_line(server: ApiServer) -> None:
    port = server.url.rpartition(":")[2]
    command = [sys.executable, "-m", "mnist_cli", "portal", "--no-open", "--port", port]
    env = {**os.environ, "KUBECONFIG": str(server.kubeconfig)}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60)
    assert done.returncode == 2
    assert f"port {port} on 127.0.0.1 cannot be used: Address already in use; choose another --port" in done.stderr
    assert done.stderr.count("\n") == 1

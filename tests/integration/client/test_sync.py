"""The face without `await`: in a running event loop, from several threads, interrupted."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.scene import Scene

from mnist_client import Client, Training

WAITING = """
import os, signal, sys, threading
from mnist_client import Client
client = Client()
interrupt = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
try:
    interrupt.start()
    client.wait("mnist") if sys.argv[1] == "wait" else list(client.watch())
except KeyboardInterrupt:
    print("interrupted;", client.get("mnist").phase)
"""


async def test_within_a_running_event_loop(scene: Scene) -> None:
    """As in Jupyter, whose cells run inside of one."""
    assert asyncio.get_running_loop().is_running()
    with Client() as client:
        client.submit(Training("mnist"))
        scene.status(phase="Succeeded")
        assert client.wait("mnist", timeout=60).succeeded
        assert [change.training.name for change in client.watch("mnist")] == ["mnist"]


def test_from_many_threads_at_once(scene: Scene, client: Client) -> None:
    names = [f"mnist-{number}" for number in range(8)]

    def whole(name: str) -> str:
        client.submit(Training(name))
        scene.status(name, phase="Succeeded")
        return client.wait(name, timeout=60).name

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(whole, names)) == names


@pytest.mark.parametrize("how", ["wait", "watch"])
def test_ctrl_c_ends_what_waits_and_the_client_goes_on(scene: Scene, how: str) -> None:
    scene.create()
    command = [sys.executable, "-c", WAITING, how]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "interrupted; Pending\n", "")


def test_a_closed_client_says_so_and_its_thread_is_gone(scene: Scene) -> None:
    before = threading.active_count()
    client = Client(manager="closing")
    client.list()
    client.close()
    client.close()
    assert threading.active_count() == before
    with pytest.raises(RuntimeError, match="the client is closed"):
        client.list()


def test_a_forgotten_client_cleans_up_after_itself(scene: Scene) -> None:
    """No close, no context manager: the process ends at once, and says nothing."""
    scene.create()
    code = "from mnist_client import Client; c = Client(); print(next(c.watch('mnist')).training.name)"
    code += "; w = c.watch(); next(w)"
    ran = subprocess.run([sys.executable, "-X", "dev", "-c", code], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "mnist\n", "")


def test_a_progress_that_runs_out_of_time_leaves_nothing_in_the_loop(scene: Scene) -> None:
    scene.create()
    code = """
import gc
from mnist_client import Client, WaitTimeout
with Client() as client:
    try:
        client.progress("mnist", timeout=0.5)
    except WaitTimeout:
        print("late")
    gc.collect()
"""
    ran = subprocess.run([sys.executable, "-X", "dev", "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout.splitlines()[-1:] == ["late"]
    assert "was destroyed" not in ran.stderr, ran.stderr


def test_closing_ends_what_another_thread_waits_for(scene: Scene) -> None:
    scene.create()
    client = Client()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.wait, "mnist")
        next(client.watch("mnist"))
        client.close()
        with pytest.raises(RuntimeError, match="closed"):
            waiting.result(60)


def test_a_client_of_the_parent_process_says_so(scene: Scene, client: Client) -> None:
    client.list()
    pid = os.fork()
    if not pid:
        try:
            client.list()
        except RuntimeError as error:
            os._exit(0 if "parent process" in str(error) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

"""A few Ray nodes start at a time, and what fails again and again is started more and more rarely."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.standin.unit.kuberay.builders import cluster, group, head, pod

from mnist_kube.times import timestamp
from mnist_local.kuberay import cluster_plan
from mnist_local.kuberay.failing import Failing, replica_of
from mnist_local.kuberay.kubelet.starts import Backoff, Starts

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
TIMED_OUT = "Exception: The current node timed out during startup. This could happen because"


class Seconds:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def ended(index: int = 0, message: str = TIMED_OUT, ran_s: float = 31, **fields: Any) -> dict[str, Any]:
    """A worker pod whose node did not get up."""
    terminated = {
        "exitCode": 1,
        "startedAt": timestamp(NOW - timedelta(seconds=ran_s)),
        "finishedAt": timestamp(NOW),
        **({"message": message} if message else {}),
    }
    return pod(f"w{index}", phase="Failed", ready=False, terminated=terminated, index=index, **fields)


def test_pauses_grow_as_a_kubelets() -> None:
    seconds = Seconds()
    backoff = Backoff(seconds)
    assert [backoff.failed(1) for _ in range(8)] == [0, 10, 20, 40, 80, 160, 300, 300]
    seconds.now += 299
    assert backoff.remaining_s == 1
    seconds.now += 2
    assert backoff.remaining_s == 0


def test_ten_minutes_of_running_make_the_pauses_begin_anew() -> None:
    backoff = Backoff(Seconds())
    assert [backoff.failed(ran_s) for ran_s in (1, 1, 599, 600, 1)] == [0, 10, 20, 0, 10]


def test_each_replica_has_a_pause_of_its_own() -> None:
    seconds = Seconds()
    failing = Failing(seconds)
    failing.failed(ended(0))
    failing.failed(ended(0))
    failing.failed(ended(1))
    assert [failing.remaining_s(replica_of(ended(index))) for index in (0, 1, 2)] == [10, 0, 0]


def test_machine_that_is_too_busy_is_called_so_until_the_node_is_steady() -> None:
    eight = cluster(group(replicas=8))
    failing = Failing(Seconds())
    failing.failed(ended())
    assert failing.trouble(eight, [], NOW) is None  # once is no pattern
    failing.failed(ended())
    trouble = failing.trouble(eight, [], NOW)
    assert trouble is not None
    assert trouble.message.startswith("this machine is too busy for 8 workers: ")
    assert trouble.reason == "FailedCreateWorkerPod"

    ready = pod("again")
    ready["status"]["conditions"][0]["lastTransitionTime"] = timestamp(NOW)
    # It is ready some time before Ray gives it up: no reason to say that all is well.
    assert failing.trouble(eight, [ready], NOW + timedelta(seconds=30)) == trouble
    assert failing.trouble(eight, [ready], NOW + timedelta(seconds=60)) is None


def test_replicas_that_are_not_asked_for_any_more_are_no_trouble() -> None:
    failing = Failing(Seconds())
    for index in (0, 0, 7, 7):
        failing.failed(ended(index))
    failing.keep({replica_of(ended(0))})
    assert [failing.remaining_s(replica_of(ended(index))) for index in (0, 7)] == [10, 0]
    failing.keep(set())
    assert failing.trouble(cluster(group(replicas=0)), [], NOW) is None


def test_what_ends_for_another_cause_is_told_by_its_last_words() -> None:
    failing = Failing(Seconds())
    for _ in range(2):
        failing.failed(ended(message="ray: command not found"))
    trouble = failing.trouble(cluster(group()), [], NOW)
    assert trouble is not None
    assert trouble.message == "worker pods of group workers ended again and again: ray: command not found"
    for _ in range(2):
        terminated = {"exitCode": 3}
        failing.failed(head(phase="Failed", terminated=terminated))
    trouble = failing.trouble(cluster(group()), [], NOW)
    assert trouble is not None
    assert trouble.message.startswith("the head pod ended again and again")
    assert trouble.reason == "FailedCreateHeadPod"


def test_workers_that_end_with_a_former_head_have_not_failed() -> None:
    """They end because they lose it; only those of the present head say something about this machine."""
    times = {"former": "2026-11-21T05:47:31Z", "present": "2026-11-21T05:50:00Z"}
    present = head()
    present["metadata"]["creationTimestamp"] = times["present"]
    for when, counts in (("former", False), ("present", True)):
        worker = ended()
        worker["metadata"]["creationTimestamp"] = times[when]
        (deletion,) = cluster_plan.plan(cluster(group()), [present, worker]).deletions
        assert deletion.is_failure is counts


async def test_no_more_than_the_count_start_at_a_time_whichever_process_asks(tmp_path: Path) -> None:
    stacks = [Starts(tmp_path, 2), Starts(tmp_path, 2)]
    under_way = most = 0

    async def start(number: int) -> None:
        nonlocal under_way, most
        turn = await stacks[number % 2].wait()
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        under_way -= 1
        turn.release()
        turn.release()  # a node that has joined ends some time later

    await asyncio.gather(*(start(number) for number in range(8)))
    assert most == 2


async def test_turns_come_in_order_and_are_not_taken_past_those_who_wait(tmp_path: Path) -> None:
    starts = Starts(tmp_path, 1)
    turn = starts.take()
    assert turn is not None
    order: list[int] = []

    async def start(number: int) -> None:
        own = await starts.wait()
        order.append(number)
        own.release()

    waiting = [asyncio.create_task(start(number)) for number in range(3)]
    await asyncio.sleep(0)
    assert starts.take() is None
    waiting[1].cancel()
    turn.release()
    await asyncio.wait(waiting)
    assert order == [0, 2]
    assert starts.take() is not None


def test_fewer_start_at_a_time_after_those_that_took_too_long(tmp_path: Path) -> None:
    starts = Starts(tmp_path, 3)

    def at_once() -> int:
        turns = [turn for _ in range(4) if (turn := starts.take()) is not None]
        for turn in turns:
            turn.release()
        return len(turns)

    assert at_once() == 3
    found = []
    for joined in (False, False, False, True, True, True):
        starts.learn(joined)
        found.append(at_once())
    assert found == [2, 1, 1, 2, 3, 3]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_turn_of_a_process_that_dies_is_free(tmp_path: Path, number: signal.Signals) -> None:
    script = (
        "import pathlib, sys, time; from mnist_local.kuberay.kubelet.starts import Starts\n"
        "import asyncio\n"
        "async def hold():\n"
        "    turn = await Starts(pathlib.Path(sys.argv[1]), 1).wait()\n"
        "    print('held', flush=True)\n"
        "    time.sleep(100)\n"
        "asyncio.run(hold())\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert Starts(tmp_path, 1).take() is None
        holder.send_signal(number)
        holder.wait(10)
    assert Starts(tmp_path, 1).take() is not None

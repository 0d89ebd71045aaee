"""`mnistctl logs`: which pod's log, and what is said where there is none."""

from __future__ import annotations

import subprocess
import sys

from tests.support.scene import Scene


def test_the_submitter_of_an_attempt(scene: Scene) -> None:
    scene.create()
    scene.status(phase="Running", attempt=2)
    scene.submitter(1, "first\n", "Failed")
    scene.submitter(2, "one\ntwo\nthree\n")
    assert scene.ctl("logs", "mnist").out == "one\ntwo\nthree\n"
    assert scene.ctl("logs", "mnist", "--tail", "1").out == "three\n"
    assert scene.ctl("logs", "mnist", "--attempt", "1").out == "first\n"
    ran = scene.ctl("logs", "mnist", "--attempt", "3")
    assert (ran.code, ran.err) == (2, "mnistctl: mnist has had 2 attempt(s); there is no attempt 3\n")


def test_following_waits_for_the_log_and_goes_on_into_the_next_attempt(scene: Scene) -> None:
    scene.create()
    ran = scene.start("logs", "-f", "mnist")
    ran.until("waiting for the log (Pending: no operator has seen it yet)")
    scene.status(phase="Provisioning", attempt=1, message="the cluster starts")
    ran.until("waiting for the log (Provisioning: the cluster starts)")
    file = scene.submitter(1, "one\n", "Pending")
    scene.pod_phase("mnist-1-abcde", "Running")
    scene.status(phase="Running", message="Training")
    ran.until("one\n")
    with file.open("a") as log:
        log.write("two\n")
    ran.until("two\n")
    scene.pod_phase("mnist-1-abcde", "Failed")
    scene.status(phase="Pending", message="the next attempt follows")
    ran.until("waiting for more of the log (Pending: the next attempt follows)")
    scene.submitter(2, "three\n", "Succeeded")
    scene.status(phase="Running", attempt=2, message="Training")
    ran.until("three\n")
    scene.status(phase="Succeeded")
    assert ran.wait() == 0
    assert ran.out == "one\ntwo\nthree\n"
    assert "mnistctl: attempt 2, pod mnist-2-abcde\n" in ran.err


def test_no_log_yet_and_no_log_any_more(scene: Scene) -> None:
    scene.create()
    scene.status(phase="Pending", message="Secret x does not exist")
    ran = scene.ctl("logs", "mnist")
    assert ran.code == 1
    assert ran.err == "mnistctl: mnist has no log yet (Pending: Secret x does not exist); -f waits for it\n"

    scene.status(phase="Failed", attempt=1)
    ran = scene.ctl("logs", "mnist")
    assert ran.code == 1
    assert ran.err == "mnistctl: the submitter's pod of attempt 1 of mnist is gone, and its log with it\n"

    tail = {"attempt": 1, "reason": "X", "time": "2026-01-01T00:00:00Z", "logTail": "the end"}
    scene.status(lastFailure=tail)
    ran = scene.ctl("logs", "mnist")
    assert (ran.code, ran.out) == (0, "the end\n")
    assert "the pod of attempt 1 is gone; this is the end of its log" in ran.err


def test_the_head_in_http_mode_or_on_demand(scene: Scene) -> None:
    scene.create("http", submission={"mode": "HTTP"})
    scene.status("http", phase="Running", attempt=1, rayCluster={"headPod": "http-head"}, rayJob={"jobId": "http-1-x"})
    scene.pod("http-head", "ray start\n")
    ran = scene.ctl("logs", "http")
    assert (ran.code, ran.out) == (0, "ray start\n")
    assert "submission.mode is HTTP" in ran.err
    assert "ray job logs http-1-x" in ran.err

    scene.create()
    scene.status(phase="Running", attempt=1, rayCluster={"headPod": "http-head"})
    ran = scene.ctl("logs", "mnist", "--head")
    assert (ran.out, ran.err) == ("ray start\n", "")


def test_a_reader_that_has_had_enough_is_no_error(scene: Scene) -> None:
    scene.create()
    scene.status(phase="Running", attempt=1)
    scene.submitter(1, "line\n" * 1_000_000)
    command = f"{sys.executable} -m mnist_cli logs mnist | head -1"
    ran = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert (ran.stdout, ran.stderr) == ("line\n", "")

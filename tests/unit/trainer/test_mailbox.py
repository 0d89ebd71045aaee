"""The mailbox between a worker's training and the driver: in order, nothing of a former group, nobody waits in vain."""

from __future__ import annotations

import threading
import time

from mnist_trainer.events import FirstStep, Progress
from mnist_trainer.workers.actor import Mailbox


def progress(step: int) -> Progress:
    return Progress(1, step, 10, 0.5, 100.0, 2)


def test_order_is_kept_and_only_the_last_of_several_reports_of_progress() -> None:
    mailbox = Mailbox()
    mailbox.open()
    for message in (progress(1), progress(2), FirstStep(1.0), progress(3)):
        mailbox.put(message)
    assert mailbox.take(0) == [progress(2), FirstStep(1.0), progress(3)]
    assert mailbox.take(0) == []


def test_a_new_group_begins_with_an_empty_mailbox() -> None:
    mailbox = Mailbox()
    mailbox.open()
    mailbox.put(FirstStep(1.0))
    mailbox.open()
    assert mailbox.take(0) == []


def test_the_end_of_a_group_wakes_who_waits_and_loses_nothing() -> None:
    mailbox = Mailbox()
    mailbox.open()
    taken: list[object] = []
    waiter = threading.Thread(target=lambda: taken.extend(mailbox.take(60)))
    began = time.monotonic()
    waiter.start()
    mailbox.close()
    waiter.join(30)
    assert not waiter.is_alive()
    assert (taken, time.monotonic() - began < 30) == ([], True)
    mailbox.put(FirstStep(1.0))
    assert mailbox.take(60) == [FirstStep(1.0)]
    assert mailbox.take(60) == []

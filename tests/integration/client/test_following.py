"""Waiting and watching: by watches, through lost connections, with an end and a deadline."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.support.kube_proxy import KubeProxy
from tests.support.scene import Scene
from tests.support.wait import wait_for

from mnist_client import (
    AsyncClient,
    Client,
    NotFoundError,
    Training,
    TrainingDeleted,
    TrainingFailed,
    WaitTimeout,
)

LATE = {"phase": "Failed", "attempt": 1, "reason": "DatasetNotFound", "message": "s3://datasets/x is empty"}


@pytest.fixture
def proxy(scene: Scene, tmp_path: Path) -> Iterator[KubeProxy]:
    made = KubeProxy(scene.kubeconfig, tmp_path)
    yield made
    made.close()


def later(seconds: float, call: Callable[[], object]) -> None:
    threading.Timer(seconds, call).start()


def test_waiting_for_success(scene: Scene, client: Client) -> None:
    made = client.submit(Training("mnist"))
    scene.status(phase="Running", attempt=1)
    assert client.wait(made, until="Running", timeout=60).phase == "Running"
    later(0.2, lambda: scene.status(phase="Succeeded", result={"accuracy": 0.99}))
    done = client.wait("mnist", timeout=60)
    assert done.succeeded
    assert done.result is not None
    assert done.result.accuracy == 0.99
    assert client.wait("mnist", until="Running").succeeded, "it will not run any more"


def test_a_failure_is_raised_with_the_end_of_its_log(scene: Scene, client: Client) -> None:
    client.submit(Training("mnist"))
    failure = {"attempt": 1, "reason": "X", "time": "2026-01-01T00:00:00Z", "logTail": "one\ntwo"}
    later(0.2, lambda: scene.status(**LATE, lastFailure=failure))
    with pytest.raises(TrainingFailed) as caught:
        client.wait("mnist", timeout=60)
    error = caught.value
    assert (error.name, error.reason, error.log_tail) == ("mnist", "DatasetNotFound", "one\ntwo")
    assert str(error) == "mnist failed: DatasetNotFound: s3://datasets/x is empty\n  | one\n  | two"
    assert client.wait("mnist", until=("Succeeded", "Failed")).phase == "Failed"


def test_a_deletion_and_a_deadline(scene: Scene, client: Client) -> None:
    client.submit(Training("mnist"))
    scene.status(phase="Pending", message="Secret x does not exist")
    with pytest.raises(WaitTimeout, match=r"mnist is not Succeeded after 2 s \(Pending: Secret x does not exist\)"):
        client.wait("mnist", timeout=2)
    later(0.2, lambda: scene.kube.delete(f"{scene.trainings}/mnist"))
    with pytest.raises(TrainingDeleted, match="mnist was deleted"):
        client.wait("mnist", timeout=60)
    with pytest.raises(NotFoundError):
        client.wait("mnist")


def test_watching_one_ends_with_it(scene: Scene, client: Client) -> None:
    client.submit(Training("mnist"))
    seen = []
    for kind, training in client.watch("mnist"):
        seen.append((kind, training.phase))
        if training.phase != "Running":
            scene.status(phase="Running" if len(seen) == 1 else "Succeeded", attempt=1)
        else:
            scene.status(phase="Succeeded")
    assert seen == [("ADDED", "Pending"), ("MODIFIED", "Running"), ("MODIFIED", "Succeeded")]


def test_watching_all_sees_what_comes_and_goes(scene: Scene, client: Client) -> None:
    client.submit(Training("one"))
    seen = []
    for kind, training in client.watch():
        seen.append((kind, training.name))
        if seen == [("ADDED", "one")]:
            client.submit(Training("two"))
        elif seen[-1] == ("ADDED", "two"):
            client.delete("one")
        else:
            break
    assert seen == [("ADDED", "one"), ("ADDED", "two"), ("DELETED", "one")]


def test_nothing_is_missed_while_the_connection_is_lost(scene: Scene, proxy: KubeProxy) -> None:
    """Each cut is a lost connection; what happened meanwhile is told all the same."""
    seen: list[int | None] = []

    with Client(scene.namespace, kubeconfig=proxy.kubeconfig) as client:
        client.submit(Training("mnist"))
        watching = threading.Thread(
            target=lambda: seen.extend(change.training.status.attempt for change in client.watch("mnist"))
        )
        watching.start()
        for attempt in range(1, 4):
            wait_for(lambda: proxy._watches, "an open watch")
            proxy.cut_watches()
            scene.status(phase="Running", attempt=attempt)
        scene.status(phase="Succeeded", attempt=4)
        watching.join(60)
        assert not watching.is_alive()
    assert seen[0] is None
    assert seen[-1] == 4
    assert seen == sorted(seen, key=lambda attempt: attempt or 0)


def test_a_version_that_is_too_old_is_listed_anew(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """410 Gone, as after an etcd compaction: the server is asked from a version that it has forgotten."""
    from mnist_kube.client import KubeApi
    from mnist_kube.errors import ApiError

    watch, gone = KubeApi.watch, []

    def forgetful(self: KubeApi, *arguments: object, **options: object):  # type: ignore[no-untyped-def]
        if len(gone) < 2:
            gone.append(True)
            raise ApiError(410, "Expired", "too old resource version")
        return watch(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(KubeApi, "watch", forgetful)
    with Client() as client:
        client.submit(Training("mnist"))
        later(0.3, lambda: scene.status(phase="Succeeded"))
        assert client.wait("mnist", timeout=60).succeeded
    assert len(gone) == 2


@pytest.mark.parametrize("what", ["watch", "events", "logs"])
def test_an_iteration_that_is_left_early_leaves_no_watch_open(scene: Scene, proxy: KubeProxy, what: str) -> None:
    with Client(scene.namespace, kubeconfig=proxy.kubeconfig) as client:
        client.submit(Training("mnist"))
        scene.status(phase="Running", attempt=1)
        scene.submitter(1, "one\ntwo\n")
        scene.event("mnist-1-abcde", "FailedScheduling", "no node fits")
        iterations: dict[str, Callable[[], Generator[Any, None, None]]] = {
            "watch": client.watch,
            "events": lambda: client.events("mnist", follow=True),
            "logs": lambda: client.logs("mnist", follow=True),
        }
        # The first is there already; for the second a watch is open.
        more = {
            "watch": lambda: scene.status(message="new"),
            "events": lambda: scene.event("mnist-1-abcde", "BackOff", "the image is missing"),
            "logs": lambda: None,
        }
        for number, _ in enumerate(iterations[what]()):
            if number:
                assert proxy._watches
                break
            later(0.3, more[what])
        wait_for(lambda: not proxy._watches, "the end of all watches", 30)


async def test_a_cancelled_coroutine_leaves_no_watch_open(scene: Scene, proxy: KubeProxy) -> None:
    async with AsyncClient(scene.namespace, kubeconfig=proxy.kubeconfig) as client:
        await client.submit(Training("mnist"))
        waiting = asyncio.create_task(client.wait("mnist"))
        await asyncio.to_thread(wait_for, lambda: proxy._watches, "an open watch")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.to_thread(wait_for, lambda: not proxy._watches, "the end of all watches", 30)


def test_waiting_asks_nothing_while_nothing_happens(scene: Scene, proxy: KubeProxy) -> None:
    """It watches: beyond the first looks there is no request, however long it takes."""
    asked: list[str] = []

    with Client(scene.namespace, kubeconfig=proxy.kubeconfig) as client:
        client.submit(Training("mnist"))
        api = client._client.api
        api._observe = lambda verb, status, seconds: asked.append(verb)
        with pytest.raises(WaitTimeout):
            client.wait("mnist", timeout=3)
        assert asked == ["GET", "GET"], "one look, one list; the watch is one more request, that stays open"


def test_waiting_goes_on_while_the_server_is_away(scene: Scene, proxy: KubeProxy) -> None:
    """Watches end, and for a while it answers 429, 500, 503, or not at all, as a server that is restarted does."""
    with Client(scene.namespace, kubeconfig=proxy.kubeconfig, manager="mnist-operator") as client:
        client.submit(Training("mnist"))
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(client.wait, "mnist", timeout=90)
            wait_for(lambda: proxy._watches, "an open watch")
            proxy.spoiled = 1.0  # of this user agent
            proxy.cut_watches()
            scene.status(phase="Succeeded")
            wait_for(lambda: len(proxy.faults) == 5, "every kind of fault")
            assert not waiting.done()
            proxy.spoiled = 0.0
            assert waiting.result(90).succeeded

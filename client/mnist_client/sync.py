"""The client for scripts and notebooks: every method of `AsyncClient`, without `await`.

Its coroutines run in one background thread with an event loop of its own. So it works where an event loop runs already,
as in Jupyter, and may be shared between threads.
"""

from __future__ import annotations

import weakref
from collections.abc import Collection, Generator
from pathlib import Path
from typing import Self

from mnist_client.aio import AsyncClient
from mnist_client.events import TrainingEvent
from mnist_client.local import local_kubeconfig
from mnist_client.loop import BackgroundLoop
from mnist_client.result import Result
from mnist_client.session import Which
from mnist_client.show import make_view
from mnist_client.training import Change, Training
from mnist_kube.connection import Connection


class Client:
    """MnistTrainings of one cluster. Arguments, results and errors are those of `AsyncClient`.

    Close it, or use it as a context manager; else it is closed with the process. Ctrl-C ends a call that waits; an
    iteration that is left early closes its watch.
    """

    def __init__(
        self,
        namespace: str | None = None,
        *,
        kubeconfig: str | Path | None = None,
        context: str | None = None,
        server: str | None = None,
        token: str | None = None,
        ca: str | Path | None = None,
        connection: Connection | None = None,
        endpoint: str | None = None,
        manager: str = "mnist-client",
        timeout: float = 30.0,
    ) -> None:
        client = AsyncClient(
            namespace,
            kubeconfig=kubeconfig,
            context=context,
            server=server,
            token=token,
            ca=ca,
            connection=connection,
            endpoint=endpoint,
            manager=manager,
            timeout=timeout,
        )
        self._client = client
        self._loop = BackgroundLoop("mnist-client")
        self._closed = weakref.finalize(self, _close, self._loop, client)

    @classmethod
    def local(cls, folder: str | Path = ".local", *, data: str | Path | None = None) -> Self:
        """Return a client of the local stack in a folder; starts one (`mnistctl local up`) where none runs.

        It needs the extra `local`. The stack outlives the client: `mnistctl local down` ends it.

        Args:
            folder: where everything of the stack lies.
            data: a folder with four IDX files for s3://datasets/mnist; None for the offline digits alone.

        Raises:
            ConnectionFailedError: it does not start.
        """
        return cls(kubeconfig=local_kubeconfig(Path(folder), Path(data) if data else None))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End what still waits, close the connections, and end the background thread. May be called again."""
        self._closed()

    @property
    def namespace(self) -> str:
        """Where trainings are looked for and made."""
        return self._client.namespace

    # --- trainings ----------------------------------------------------------------------------------------------------

    def submit(
        self, training: Training, *, code: str | Path | None = None, dry_run: bool = False, force: bool = False
    ) -> Training:
        """Create a training, or change the one of its name to what this one says; returns it as the API has it.

        Args:
            training: what is asked for; without a namespace it goes to the client's.
            code: a script or a folder of one's own; it goes to the bucket, and `spec.code.archive` is filled in.
            dry_run: ask the server, and change nothing.
            force: take over fields that another tool manages.

        Raises:
            ConflictError: another tool manages a field.
            StorageError: the code cannot be uploaded.
        """
        return self._loop.run(self._client.submit(training, code=code, dry_run=dry_run, force=force))

    def apply(
        self, training: Training, *, code: str | Path | None = None, dry_run: bool = False, force: bool = False
    ) -> tuple[str, Training]:
        """Do as `submit`, and return also what was done: created, configured or unchanged."""
        return self._loop.run(self._client.apply(training, code=code, dry_run=dry_run, force=force))

    def get(self, training: Which, *, namespace: str | None = None) -> Training:
        """Return a training as it is now. Raises NotFoundError."""
        return self._loop.run(self._client.get(training, namespace=namespace))

    def list(self, *, namespace: str | None = None, all_namespaces: bool = False, labels: str = "") -> list[Training]:
        """Return trainings, of all namespaces if asked to; `labels` is a selector such as "team=vision"."""
        return self._loop.run(self._client.list(namespace=namespace, all_namespaces=all_namespaces, labels=labels))

    def delete(self, training: Which, *, namespace: str | None = None, missing_ok: bool = False) -> None:
        """Delete a training and what runs for it; what it left in the bucket stays. Raises NotFoundError."""
        self._loop.run(self._client.delete(training, namespace=namespace, missing_ok=missing_ok))

    def suspend(self, training: Which, *, namespace: str | None = None) -> Training:
        """Ask a training to stop and free its cluster; `wait(until="Suspended")` waits until it has.

        Raises RefusedError where it has ended.
        """
        return self._loop.run(self._client.suspend(training, namespace=namespace))

    def resume(self, training: Which, *, namespace: str | None = None) -> Training:
        """Let a suspended training go on from its last checkpoint. Raises RefusedError where it has ended."""
        return self._loop.run(self._client.resume(training, namespace=namespace))

    def scale(self, training: Which, workers: int, *, namespace: str | None = None) -> Training:
        """Ask for another number of workers of the first group; it may be running."""
        return self._loop.run(self._client.scale(training, workers, namespace=namespace))

    # --- following ----------------------------------------------------------------------------------------------------

    def watch(
        self, training: Which | None = None, *, namespace: str | None = None, all_namespaces: bool = False
    ) -> Generator[Change, None, None]:
        """Yield every training as it is, then each change of one, through lost connections and restarts of the server.

        Of one training it ends by itself, once that has ended or was deleted; of all it never does.
        """
        yield from self._loop.iterate(self._client.watch(training, namespace=namespace, all_namespaces=all_namespaces))

    def wait(
        self,
        training: Which,
        *,
        until: str | Collection[str] = "Succeeded",
        timeout: float | None = None,
        namespace: str | None = None,
    ) -> Training:
        """Wait until a training has succeeded, or is in another phase; returns it then.

        Args:
            training: which.
            until: the phase, or phases, that are waited for. One that has succeeded is never waited for any longer.
            timeout: seconds; None for no limit.
            namespace: where; None for the client's.

        Raises:
            TrainingFailed: it has failed, and that is not what was waited for.
            TrainingDeleted: it was deleted.
            RefusedError: there is no such phase.
            WaitTimeout: it took too long. The training goes on.
        """
        return self._loop.run(self._client.wait(training, until=until, timeout=timeout, namespace=namespace))

    def progress(self, training: Which, *, timeout: float | None = None, namespace: str | None = None) -> Training:
        """Show how a training goes until it has succeeded: in a notebook, on a terminal, or as lines; returns it then.

        Args:
            training: which.
            timeout: seconds; None for no limit.
            namespace: where; None for the client's.

        Raises:
            TrainingFailed: it has failed.
            TrainingDeleted: it was deleted.
            WaitTimeout: it took too long. The training goes on.
        """
        # Drawn in the caller's thread: a notebook shows what another thread draws under some other cell.
        last: Change | None = None
        with make_view() as view:
            for item in self._loop.iterate(self._client._happenings(training, timeout, namespace)):
                view.see(item)
                last = item if isinstance(item, Change) else last
        assert last is not None
        return self._loop.run(self._client._outcome(last))

    def logs(
        self,
        training: Which,
        *,
        follow: bool = False,
        tail: int | None = None,
        attempt: int | None = None,
        wait: bool = True,
        timeout: float | None = None,
        namespace: str | None = None,
    ) -> Generator[str, None, None]:
        """Yield the lines of a training's log, without their ends: from its pod, or from the bucket once that is gone.

        Args:
            training: which.
            follow: go on as it is written, into the pods of new attempts, until the training has ended.
            tail: only so many of the last lines of what is there already.
            attempt: of which; None for the last, and with `follow` also those after it.
            wait: wait for a log that is not there yet, since no pod has started; else raise NoLogError.
            timeout: seconds that it may take in all; None for no limit.
            namespace: where; None for the client's.

        Raises:
            NoLogError: there is none, or none any more.
            WaitTimeout: it took too long.
        """
        lines = self._client.logs(
            training, follow=follow, tail=tail, attempt=attempt, wait=wait, timeout=timeout, namespace=namespace
        )
        yield from self._loop.iterate(lines)

    def events(
        self, training: Which, *, follow: bool = False, namespace: str | None = None
    ) -> Generator[TrainingEvent, None, None]:
        """Yield the events of a training, and the warnings of its cluster, job and pods that need somebody.

        With `follow` it goes on without end.
        """
        yield from self._loop.iterate(self._client.events(training, follow=follow, namespace=namespace))

    # --- what it left -------------------------------------------------------------------------------------------------

    def result(self, training: Which, *, namespace: str | None = None) -> Result:
        """Return what a training left in its bucket: `download`, `predict`, `metrics`, `manifest`.

        Credentials are those of the environment, else those of the training's own Secret if they may be read.

        Raises:
            NotFinishedError: it has not succeeded.
        """
        return self._loop.run(self._client._result(training, namespace))


def _close(loop: BackgroundLoop, client: AsyncClient) -> None:
    """Close both. Held by the finalizer, so neither of them may know the Client."""
    if not loop.is_here and loop.close.alive:
        loop.run(client.close())
    loop.close()

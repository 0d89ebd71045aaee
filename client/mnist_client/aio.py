"""The client as coroutines. `mnist_client.sync` has the same for whoever has no event loop."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from mnist_client.apply import apply
from mnist_client.code import PackedCode, packed, upload, with_code
from mnist_client.errors import NotFoundError, RefusedError
from mnist_client.explain import explained
from mnist_client.following import Following
from mnist_client.local import local_kubeconfig
from mnist_client.result import AsyncResult, Result
from mnist_client.session import Which
from mnist_client.storage import Storage, told
from mnist_client.threads import in_thread
from mnist_client.training import Training
from mnist_kube.errors import ApiError
from mnist_kube.objects import Object
from mnist_kube.resources import TRAININGS


class AsyncClient(Following):
    """MnistTrainings of one cluster, by the Kubernetes API. Close it, or use it as a context manager.

    Making one does no request. Every method raises a `MnistError`: ConnectionFailedError, NotAllowedError,
    NotFoundError, RefusedError, or what the method names.

    Args:
        namespace: where trainings are looked for and made; None for the kubeconfig's, else `default`.
        kubeconfig: a file; None for $KUBECONFIG, else ~/.kube/config, else the pod that this runs in.
        context: a context of the kubeconfig; None for its current one.
        server: the API server's URL, instead of a kubeconfig.
        token: the bearer token; with a kubeconfig it replaces the user there.
        ca: the authority of the server's certificate, PEM text or a file; None for this machine's.
        connection: all of that as a value, instead.
        endpoint: where the bucket is seen from here, if elsewhere than in the cluster; None for $AWS_ENDPOINT_URL, else
            what the training says.
        manager: the field manager of what is written, and what the server's log calls us.
        timeout: seconds that one request may take.
    """

    @classmethod
    async def local(cls, folder: str | Path = ".local", *, data: str | Path | None = None) -> Self:
        """Return a client of the local stack in a folder; starts one (`mnistctl local up`) where none runs.

        It needs the extra `local`. The stack outlives the client: `mnistctl local down` ends it.

        Args:
            folder: where everything of the stack lies.
            data: a folder with four IDX files for s3://datasets/mnist; None for the offline digits alone.

        Raises:
            ConnectionFailedError: it does not start.
        """
        return cls(kubeconfig=await in_thread(local_kubeconfig, Path(folder), Path(data) if data else None))

    # --- trainings ----------------------------------------------------------------------------------------------------

    async def submit(
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
        return (await self.apply(training, code=code, dry_run=dry_run, force=force))[1]

    async def apply(
        self, training: Training, *, code: str | Path | None = None, dry_run: bool = False, force: bool = False
    ) -> tuple[str, Training]:
        """Do as `submit`, and return also what was done: created, configured or unchanged."""
        where = training.namespace or self.namespace
        body = training.object
        if code is not None:
            body = await self._with_code(where, body, Path(code), upload_it=not dry_run)
        done, obj = await self._asked(apply(self.api, where, body, self._manager, dry_run=dry_run, force=force))
        return done, Training.of(obj)

    async def _with_code(self, namespace: str, body: Object, path: Path, upload_it: bool) -> Object:
        code = await in_thread(packed, path)
        with_code(body, code, "")  # refuses before anything is asked
        known = await self._asked(self.api.find(TRAININGS.path(namespace, body["metadata"]["name"])))
        if known is None:  # what the server refuses uploads nothing, and it knows the default of the output
            asked = with_code(body, code, "s3://bucket")
            work = apply(self.api, namespace, asked, self._manager, dry_run=True, force=True)
            known = (await self._asked(work))[1]
        output = str(known["spec"]["storage"]["output"])
        if upload_it:
            await in_thread(self._upload, self._storage(known), code, output)
        return with_code(body, code, output)

    @staticmethod
    def _upload(storage: Storage, code: PackedCode, output: str) -> None:
        with told():
            upload(storage.open(), code, output)

    async def get(self, training: Which, *, namespace: str | None = None) -> Training:
        """Return a training as it is now. Raises NotFoundError."""
        return Training.of(await self._object(*self._key(training, namespace)))

    async def list(
        self, *, namespace: str | None = None, all_namespaces: bool = False, labels: str = ""
    ) -> list[Training]:
        """Return trainings, of all namespaces if asked to; `labels` is a selector such as "team=vision"."""
        where = None if all_namespaces else namespace or self.namespace
        query = {"labelSelector": labels} if labels else None
        found = await self._asked(self.api.list(TRAININGS.path(where), query))
        return [Training.of(item) for item in found.get("items") or []]

    async def delete(self, training: Which, *, namespace: str | None = None, missing_ok: bool = False) -> None:
        """Delete a training and what runs for it; what it left in the bucket stays. Raises NotFoundError."""
        where, name = self._key(training, namespace)
        try:
            obj = await self._object(where, name)
        except NotFoundError:
            if missing_ok:
                return
            raise
        uid = obj["metadata"]["uid"]
        await self._asked(self.api.delete(TRAININGS.path(where, name), uid, missing_ok=True))

    async def suspend(self, training: Which, *, namespace: str | None = None) -> Training:
        """Ask a training to stop and free its cluster; `wait(until="Suspended")` waits until it has.

        Raises RefusedError where it has ended.
        """
        return await self._set_suspended(training, namespace, True)

    async def resume(self, training: Which, *, namespace: str | None = None) -> Training:
        """Let a suspended training go on from its last checkpoint. Raises RefusedError where it has ended."""
        return await self._set_suspended(training, namespace, False)

    async def scale(self, training: Which, workers: int, *, namespace: str | None = None) -> Training:
        """Ask for another number of workers of the first group; it may be running."""
        return await self._patch(training, namespace, {"workers": {"replicas": workers}})

    # --- what it left -------------------------------------------------------------------------------------------------

    async def result(self, training: Which, *, namespace: str | None = None) -> AsyncResult:
        """Return what a training left in its bucket: `download`, `predict`, `metrics`, `manifest`.

        Credentials are those of the environment, else those of the training's own Secret if they may be read.

        Raises:
            NotFinishedError: it has not succeeded.
        """
        return AsyncResult(await self._result(training, namespace))

    async def _result(self, training: Which, namespace: str | None) -> Result:
        found = await self.get(training, namespace=namespace)
        return Result(found, self._storage(found.object).open)

    # --- what they share ----------------------------------------------------------------------------------------------

    async def _set_suspended(self, training: Which, namespace: str | None, wanted: bool) -> Training:
        now = await self.get(training, namespace=namespace)
        if now.is_final:
            raise RefusedError(
                f"MnistTraining {now.name!r} has {now.phase.lower()}: there is nothing to suspend or resume"
            )
        if now.suspended == wanted:
            return now
        return await self._patch(now, namespace, {"runPolicy": {"suspend": wanted}})

    async def _patch(self, training: Which, namespace: str | None, spec: Object) -> Training:
        where, name = self._key(training, namespace)
        query = {"fieldManager": self._manager}
        try:
            return Training.of(await self.api.patch(TRAININGS.path(where, name), {"spec": spec}, query=query))
        except ApiError as error:
            if error.not_found:
                await self._object(where, name)  # which says it better
            raise await explained(error, self.connection) from error

"""Starts the parts in order, watches them, and ends everything whatever happens."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable
from typing import TypeVar

from mnist_kube import kubeconfig
from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_local.apiserver.pki import write_private
from mnist_local.pod import process_tree
from mnist_local.stack import parts, provision
from mnist_local.stack.layout import Layout, Options, StackError
from mnist_local.stack.parts import Part, PartPlan
from mnist_local.stack.state import Events, PartState, StackState

T = TypeVar("T")

log = logging.getLogger(__name__)

_BACKOFF_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
_STEADY_S = 60.0  # a part that ran so long starts its backoff anew


class LocalStack:
    """One stack, from its start to its end."""

    def __init__(self, layout: Layout, options: Options, stop: asyncio.Event) -> None:
        self._layout = layout
        self._options = options
        self._stop = stop
        self._events = Events()
        self._state = StackState()
        self._parts: list[Part] = []
        self._watches: list[asyncio.Task[None]] = []
        self._failed: asyncio.Future[StackError] = asyncio.get_running_loop().create_future()
        self._credentials = parts.S3Credentials()

    async def run(self) -> int:
        """Run until told to stop (exit code 0) or something fails (1)."""
        process_tree.become_subreaper()
        # What is told when something happens that nobody thought of: its traceback is in our log.
        failure: StackError | None = StackError("the local stack failed", (), str(self._layout.log("stack")))
        try:
            await self._until_stopped(self._start())
            if not self._stop.is_set():
                self._state.phase = "up"
                self._write_state()
                log.info("the stack is up")
                self._events.emit("up", kubeconfig=self._state.kubeconfig, endpoint=self._state.endpoint)
            await self._until_stopped(asyncio.Event().wait())
            failure = None
        except StackError as error:
            failure = error
        except ApiError as error:
            what = "cannot be reached" if error.not_reached else "refuses what the stack needs"
            failure = StackError(f"the API server {what}: {error.message}")
        except OSError as error:
            failure = StackError(f"the local stack failed: {error}", (), str(self._layout.log("stack")))
        finally:
            await self._end(failure)
        return 1 if failure else 0

    async def _until_stopped(self, work: Awaitable[T]) -> None:
        """Do `work`, but no longer than until the stop, and raise what made a part fail meanwhile."""
        doing = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({doing, stopping, self._failed}, return_when=asyncio.FIRST_COMPLETED)
            if self._failed.done():
                raise self._failed.result()
            if doing.done():
                await doing
        finally:
            for task in (doing, stopping):
                task.cancel()
            await asyncio.gather(doing, stopping, return_exceptions=True)

    async def _start(self) -> None:
        layout, options = self._layout, self._options
        api_server = await self._launch(parts.apiserver(layout, options.api_port, options.restart))
        object_store = await self._launch(parts.object_store(layout, options.s3_port, self._credentials))
        await self._await_ready(object_store)
        self._state.endpoint = parts.s3_endpoint(object_store.log.read_text()) or ""
        # If it is started again, it must come back where everybody knows it.
        port = int(self._state.endpoint.rpartition(":")[2])
        object_store.plan = parts.object_store(layout, port, self._credentials)
        self._write_s3_env()
        self._events.emit("s3", endpoint=self._state.endpoint, env=str(self._layout.s3_env))
        await self._await_ready(api_server)
        await self._provision()
        kuberay = await self._launch(parts.kuberay(layout))
        operator = await self._launch(parts.operator(layout.operator / "kubeconfig", parts.free_port()))
        pages = [await self._launch(parts.portal(layout))] if options.portal else []
        await asyncio.gather(*(self._await_ready(part) for part in (kuberay, operator, *pages)))

    async def _provision(self) -> None:
        admin = self._layout.apiserver / "kubeconfig"
        connection = kubeconfig.load(admin)
        # As the object store: if it is started again, it must come back where everybody knows it.
        api_server = next(part for part in self._parts if part.plan.name == "API server")
        api_server.plan = parts.apiserver(self._layout, connection.port, self._options.restart)
        async with KubeApi(connection) as api:
            await asyncio.gather(
                provision.install_definitions(api),
                provision.install_operator_identity(api, self._layout.operator / "kubeconfig"),
                *(
                    provision.install_credentials(api, namespace, self._state.endpoint, self._credentials)
                    for namespace in self._options.namespaces
                ),
            )
        write_private(self._layout.kubeconfig, admin.read_text())
        self._state.kubeconfig = str(self._layout.kubeconfig)
        # From here on manifests can be applied; what runs them may still be starting.
        self._events.emit("api", kubeconfig=self._state.kubeconfig)

    async def _launch(self, plan: PartPlan) -> Part:
        part = Part(plan, self._layout.log(plan.name.lower().replace(" ", "-")))
        state = PartState(plan.name, str(part.log))
        self._state.parts.append(state)
        self._parts.append(part)
        await part.start()
        state.pid = part.pid
        self._write_state()
        log.info("started %s (pid %s)", plan.name, part.pid)
        self._watches.append(asyncio.create_task(self._watch(part, state)))
        return part

    async def _await_ready(self, part: Part) -> None:
        await part.ready()
        self._state_of(part).state = "running"
        self._write_state()
        self._events.emit("ready", part=part.plan.name, seconds=round(time.monotonic() - part.started, 2))

    async def _watch(self, part: Part, state: PartState) -> None:
        """Wait for the part's end; start it again, or let the stack fail."""
        failures = 0
        while True:
            await part.wait()
            state.pid, state.state, state.ended_at = None, "crashed", time.time()
            error = part.failure("ended by itself")
            state.last_error = self._last_error(error)
            if not (self._options.restart and self._state.phase == "up"):
                if not self._failed.done():
                    self._failed.set_result(error)
                return
            failures = 1 if time.monotonic() - part.started > _STEADY_S else failures + 1
            wait = _BACKOFF_S[min(failures, len(_BACKOFF_S)) - 1]
            state.restarts += 1
            log.warning("%s; starting it again in %.0f s. Its last lines:\n%s", error, wait, "\n".join(error.tail))
            self._events.emit("restart", part=part.plan.name, message=f"{error}; starting it again in {wait:.0f} s")
            self._write_state()
            await asyncio.sleep(wait)
            await part.start()
            state.pid, state.state = part.pid, "running"
            self._write_state()

    async def _end(self, failure: StackError | None) -> None:
        self._events.emit("stopping")
        self._state.phase = "stopping"
        self._write_state()
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        # The operator first, or it would mend what is taken from it; store and API last, for the pods' goodbyes.
        by_name = {part.plan.name: part for part in self._parts}
        for group in (("operator", "portal"), ("KubeRay",), ("object store", "API server")):
            await asyncio.gather(*(by_name[name].stop() for name in group if name in by_name))
        left = process_tree.kill_descendants(os.getpid())
        if left:
            log.error("these processes could not be ended: %s", left)
        for path in (self._layout.kubeconfig, self._layout.s3_env, self._layout.portal_address):
            path.unlink(missing_ok=True)
        if failure:
            self._state.phase, self._state.message = "failed", failure.message
            self._write_state()
            log.error("%s", failure)
            self._events.emit("failed", message=self._explain(failure), tail=failure.tail, log=failure.log)
        else:
            self._layout.state.unlink(missing_ok=True)
            self._events.emit("stopped")

    def _last_error(self, error: StackError) -> str:
        """How a part ended, its last line, and what it could not even write down."""
        last = next((line.strip() for line in reversed(error.tail) if line.strip()), "")
        return ": ".join(filter(None, [self._explain(error), last]))

    def _explain(self, failure: StackError) -> str:
        """Add what the part itself cannot know."""
        try:
            parts.check_space(self._layout.root)
        except StackError as space:
            return f"{failure.message}; {space.message}"
        return failure.message

    def _state_of(self, part: Part) -> PartState:
        return self._state.parts[self._parts.index(part)]

    def _write_state(self) -> None:
        self._state.write(self._layout.state)

    def _write_s3_env(self) -> None:
        values = self._credentials.variables(self._state.endpoint)
        write_private(self._layout.s3_env, "".join(f"export {name}='{value}'\n" for name, value in values.items()))

"""The controller's end of a pod shim: start it, give it commands, hear its events."""

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Mapping
from pathlib import Path

from mnist_kube.objects import Object

_EXIT_DEADLINE_S = 6.0

log = logging.getLogger(__name__)


class ShimLostError(RuntimeError):
    """The shim process itself ended (killed, out of memory)."""


class ShimClient:
    """One running shim. Its containers end with it, and it ends with this process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._exits: dict[str, asyncio.Future[Object]] = {}
        self._starts: dict[str, asyncio.Future[Object]] = {}
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, label: str, environment: Mapping[str, str], errors: Path) -> "ShimClient":
        """A new shim; `label` names the pod in process lists, `errors` takes its own stderr."""
        errors.parent.mkdir(parents=True, exist_ok=True)
        with errors.open("ab") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "mnist_local.pod.shim",
                label,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                env=dict(environment),
                start_new_session=True,
            )
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def run(self, container: str, argv: list[str], env: dict[str, str], cwd: Path, log_file: Path) -> Object:
        """Start a container's first process; answers with its `started` or `unstartable` event."""
        loop = asyncio.get_running_loop()
        self._starts[container] = loop.create_future()
        self._exits[container] = loop.create_future()
        command = {"op": "run", "container": container, "argv": argv, "env": env}
        self._send({**command, "cwd": str(cwd), "log": str(log_file)})
        return await self._starts[container]

    async def wait(self, container: str) -> Object:
        """The `exited` event of a started container. Raises ShimLostError."""
        return await asyncio.shield(self._exits[container])

    def stop(self, grace_s: float) -> None:
        """SIGTERM to all containers now, SIGKILL to all their processes after the grace period."""
        with contextlib.suppress(ShimLostError):  # then nothing is left to stop
            self._send({"op": "stop", "graceSeconds": grace_s})

    async def end(self) -> None:
        """Kill everything that is left, and the shim with it."""
        with contextlib.suppress(OSError, RuntimeError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _EXIT_DEADLINE_S)
        except TimeoutError:
            log.warning("shim %d does not end; killing it", self.pid)
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        await self._reader

    def _send(self, command: Object) -> None:
        if self._process.stdin is None or self._process.stdin.is_closing():
            raise ShimLostError(f"shim {self.pid} is gone")
        self._process.stdin.write((json.dumps(command) + "\n").encode())

    async def _read(self) -> None:
        output = self._process.stdout
        if output is None:
            raise RuntimeError("the shim was started without a pipe for its events")
        while line := await output.readline():
            event = json.loads(line)
            waiters = self._exits if event["event"] == "exited" else self._starts
            future = waiters.get(event["container"])
            if future is not None and not future.done():
                future.set_result(event)
        for future in [*self._starts.values(), *self._exits.values()]:
            if not future.done():
                future.set_exception(ShimLostError(f"the shim of the pod (pid {self.pid}) was killed"))
                future.exception()  # looked at, so that an unawaited one is not complained about

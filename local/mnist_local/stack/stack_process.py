"""For whoever starts, asks or ends a stack: the other end of its process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import psutil

from mnist_local.stack.layout import Layout, Options, StackError, StackRefusedError
from mnist_local.stack.state import StackState, is_locked

_STOP_S = 40.0


class StackProcess:
    """A stack that this process has started."""

    def __init__(self, layout: Layout, options: Options, detached: bool) -> None:
        """`detached`: it outlives this process; else it ends when this process does, however that ends."""
        self._layout = layout
        self._options = options
        self._detached = detached
        self._process: asyncio.subprocess.Process | None = None
        self._noise: list[str] = []

    async def start(self) -> None:
        options = self._options
        command = [sys.executable, "-m", "mnist_local.stack", "--dir", str(self._layout.root)]
        command += ["--api-port", str(options.api_port), "--s3-port", str(options.s3_port)]
        command += [word for namespace in options.namespaces for word in ("--namespace", namespace)]
        command += ["--restart"] * options.restart + ["--portal"] * options.portal
        command += ["--lifeline"] * (not self._detached)
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL if self._detached else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # Ctrl-C reaches us alone, and we end the stack in order.
            start_new_session=True,
        )

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """What the stack tells, until it ends. Raises StackError (or StackRefusedError) where it failed."""
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                self._noise.append(line.decode(errors="replace").rstrip())
                continue
            if event["event"] == "failed":
                kind = StackRefusedError if event.get("refused") else StackError
                raise kind(event["message"], tuple(event["tail"]), event["log"])
            yield event
        code = await self._process.wait()
        if code:
            log = self._layout.log("stack")
            raise StackError(
                f"the local stack ended unexpectedly (exit code {code})", tuple(self._noise[-12:]), str(log)
            )

    async def stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.communicate(), _STOP_S)  # unread events must not block its way out
        except TimeoutError:
            process.kill()
            await process.wait()


def running(layout: Layout) -> StackState | None:
    """The state of the stack that runs in a folder, or None."""
    return StackState.read(layout.state) if is_locked(layout.lock) else None


def last_failure(layout: Layout) -> str:
    """What ended the stack that ran in a folder last, if something did."""
    state = StackState.read(layout.state)
    return state.message if state and state.phase == "failed" else ""


def end(layout: Layout) -> bool:
    """End the stack in a folder and wait for it; False if there is none. Raises StackError if it does not end."""
    state = running(layout)
    if state is None:
        return False
    try:
        process = psutil.Process(state.pid)
        process.terminate()
        process.wait(_STOP_S)  # the process, not its lock: whoever looks for what is left must find nothing
    except psutil.NoSuchProcess:
        return False  # it has just ended by itself
    except psutil.TimeoutExpired as error:
        log = str(layout.log("stack"))
        raise StackError(f"the stack (pid {state.pid}) did not end in {_STOP_S:.0f} s", (), log) from error
    return True

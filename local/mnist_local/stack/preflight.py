"""What can be known to fail before anything is started."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path

from mnist_local.stack.errors import StackRefusedError
from mnist_local.stack.options import Options

# Ray's session files and object store (when /dev/shm is small) go to the temporary folder, models to the buckets.
MIN_FREE_BYTES = 512 * 1024 * 1024


def check(root: Path, options: Options) -> None:
    """Raise StackRefusedError where a port is taken or a disk nearly full."""
    check_space(root)
    for port, name in ((options.api_port, "--api-port"), (options.s3_port, "--s3-port")):
        if port and not _is_free(port):
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


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port whose last connections are only waiting out their end is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

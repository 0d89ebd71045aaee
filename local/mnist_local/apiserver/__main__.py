"""`python -m mnist_local.apiserver`: serve until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import uvloop

from mnist_local.apiserver.app import HOST, listen, serve
from mnist_local.apiserver.journal import JournalError


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mnist_local.apiserver", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="folder for kubeconfig, pki/ca.crt and state")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--pod-log-dir", type=Path, default=None, help="where pod logs lie, as under /var/log/pods")
    parser.add_argument(
        "--durable", action="store_true", help="keep all state below the data folder, and go on with it"
    )
    return parser.parse_args(argv)


async def _run(options: argparse.Namespace) -> int:
    try:
        sock = listen(options.port)
    except OSError as error:
        sys.stderr.write(f"error: cannot listen on {HOST}:{options.port}: {os.strerror(error.errno or 0)}\n")
        return 2
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        running = await serve(sock, options.data_dir, options.pod_log_dir, options.durable)
    except (JournalError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    logging.getLogger("mnist_local.apiserver").info("serving %s", running.url)
    await stop.wait()
    running.kubeconfig.unlink(missing_ok=True)
    await running.stop()
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the server; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    code: int = uvloop.run(_run(_arguments(argv)))
    return code


if __name__ == "__main__":
    sys.exit(main())

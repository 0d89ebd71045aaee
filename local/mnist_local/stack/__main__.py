"""`python -m mnist_local.stack`: the supervising process of a local stack. `mnistctl local` starts it."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from filelock import BaseFileLock

from mnist_local.stack import parts
from mnist_local.stack.layout import Layout, Options, StackRefusedError
from mnist_local.stack.state import Events, StackState, take_lock


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mnist_local.stack", description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="the stack's folder")
    parser.add_argument("--api-port", type=int, default=0, help="port of the API server; 0 takes a free one")
    parser.add_argument("--s3-port", type=int, default=0, help="port of the object store; 0 takes a free one")
    parser.add_argument("--restart", action="store_true", help="start crashed parts again instead of ending")
    parser.add_argument("--portal", action="store_true", help="start the portal, too")
    parser.add_argument("--namespace", action="append", default=[], help="namespace that gets the credentials' Secret")
    parser.add_argument("--lifeline", action="store_true", help="end when stdin ends")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run a stack; returns 0 when it was stopped, 1 when it failed, 2 when it was refused."""
    arguments = _arguments(argv)
    layout = Layout.at(arguments.dir)
    options = Options(
        api_port=arguments.api_port,
        s3_port=arguments.s3_port,
        restart=arguments.restart,
        portal=arguments.portal,
        namespaces=tuple(dict.fromkeys(["default", *arguments.namespace])),
    )
    try:
        lock = _prepare(layout, options)
    except StackRefusedError as error:
        Events().emit("failed", message=error.message, tail=[], log="", refused=True)
        return 2
    _log_to(layout.log("stack"))
    # Imported after the cheap refusals: half a second that they need not wait for.
    from mnist_local.stack.stack import LocalStack

    async def run() -> int:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, stop.set)
        if arguments.lifeline:
            loop.add_reader(sys.stdin.fileno(), _on_lifeline, loop, stop)
        return await LocalStack(layout, options, stop).run()

    try:
        return asyncio.run(run())
    finally:
        lock.release()


def _prepare(layout: Layout, options: Options) -> BaseFileLock:
    layout.claim()
    lock = take_lock(layout.lock)
    if lock is None:
        state = StackState.read(layout.state)
        who = f" (pid {state.pid})" if state else ""
        raise StackRefusedError(
            f"a local stack is already running in {layout.root}{who}: end it with "
            f"`mnistctl local down --dir {layout.root}`, or choose another --dir"
        )
    parts.check_options(layout.root, options)
    layout.clear()
    return lock


def _on_lifeline(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        loop.remove_reader(sys.stdin.fileno())
        stop.set()


def _log_to(path: Path) -> None:
    """Logs and whatever else is written to stderr (a traceback) go to the stack's own log."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, sys.stderr.fileno())
    os.close(descriptor)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

"""`mnist-portal`: the portal as a pod runs it; settings are MNIST_PORTAL_* variables."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
import time

from mnist_kube.connection import Connection, from_entries
from mnist_portal.settings import Mode, Settings, SettingsError, check, from_env


class _Lines(logging.Formatter):
    """A line of JSON for each record."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        line = {"time": moment, "level": record.levelname, "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def main() -> int:
    """Run until a signal; returns the exit code (0 ended as asked, 1 failed, 2 settings that cannot be used)."""
    try:
        settings = from_env()
        check(settings)
        connection = pod_connection(settings)
    except (SettingsError, OSError, ValueError) as error:
        sys.stderr.write(f"mnist-portal: {error}\n")
        return 2
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines())
    logging.basicConfig(level=settings.log_level, handlers=[handler])
    try:
        asyncio.run(_run(settings, connection))
    except OSError as error:
        sys.stderr.write(f"mnist-portal: {error}\n")
        return 1
    return 0


def pod_connection(settings: Settings) -> Connection:
    """Return the API server as the pod reaches it: without credentials, but in mode `header`.

    Raises OSError and ValueError for an authority that cannot be read.
    """
    cluster = {"server": settings.api_server}
    if settings.api_server.startswith("https:"):
        cluster["certificate-authority"] = str(settings.api_ca_file)
    user = {"tokenFile": str(settings.token_file)} if settings.mode is Mode.HEADER else {}
    return from_entries(cluster, user, settings.api_ca_file.parent)


async def _run(settings: Settings, connection: Connection) -> None:
    from mnist_portal.server import Server, running

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(Server(settings, connection)):
        await stop.wait()


if __name__ == "__main__":
    sys.exit(main())

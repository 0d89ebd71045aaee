"""Where `mnist_report` sends to: an HTTP server on the head that takes reports of this run, and nothing else.

Whoever has the run's token may report. What comes in is checked and bounded; it becomes a few numbers of the status.
"""

from __future__ import annotations

import json
import logging
import math
import re
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_BODY_BYTES = 64 << 10
_REQUEST_SECONDS = 10.0
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,62}")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """What the user's code said at one time; None and absent names were not said."""

    epoch: int | None = None
    epochs: int | None = None
    accuracy: float | None = None
    loss: float | None = None
    workers: int | None = None
    lost_workers: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, body: Any) -> Report:
        """Read a request's JSON; what does not fit the contract is left out."""
        values = body if isinstance(body, dict) else {}
        metrics = values.get("metrics")
        named = metrics.items() if isinstance(metrics, dict) else ()
        return cls(
            epoch=_count(values.get("epoch"), 0),
            epochs=_count(values.get("epochs"), 1),
            accuracy=_share(values.get("accuracy")),
            loss=_number(values.get("loss")),
            workers=_count(values.get("workers"), 0),
            lost_workers=_count(values.get("lostWorkers"), 0),
            metrics={
                name: value for name, given in named if _NAME.fullmatch(name) and (value := _number(given)) is not None
            },
        )


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _count(value: Any, least: int) -> int | None:
    number = _number(value)
    return int(number) if number is not None and least <= number < 2**31 else None


def _share(value: Any) -> float | None:
    number = _number(value)
    return number if number is not None and 0 <= number <= 1 else None


class Intake:
    """A running server. `take` is called, in threads of the server's, with each report."""

    def __init__(self, host: str, take: Callable[[Report], None]) -> None:
        self.token = secrets.token_urlsafe(24)
        self._server = _listen(host, _handler(self.token, take))
        self._server.daemon_threads = True
        address, port = self._server.server_address[:2]
        self.url = f"http://{address!s}:{port}/report"
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="report-intake", daemon=True).start()

    def close(self) -> None:
        """Take no more."""
        self._server.shutdown()
        self._server.server_close()


def _listen(host: str, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    try:
        return ThreadingHTTPServer((host, 0), handler)
    except OSError as error:
        logger.warning("reports are taken from this machine only: %s: %s", host, error)
        return ThreadingHTTPServer(("127.0.0.1", 0), handler)


def _handler(token: str, take: Callable[[Report], None]) -> type[BaseHTTPRequestHandler]:
    expected = f"Bearer {token}".encode()

    class Handler(BaseHTTPRequestHandler):
        timeout = _REQUEST_SECONDS

        def do_POST(self) -> None:
            given = self.headers.get("Authorization", "").encode()
            if not secrets.compare_digest(given, expected):
                return self._answer(401)
            length = self.headers.get("Content-Length", "")
            if not length.isdigit() or int(length) > _BODY_BYTES:
                return self._answer(413)
            try:
                body = json.loads(self.rfile.read(int(length)))
            except (ValueError, RecursionError):
                return self._answer(400)
            take(Report.of(body))
            return self._answer(204)

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing: requests are no news."""

    return Handler

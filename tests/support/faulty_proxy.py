"""An HTTP proxy between a client and a server that misbehaves on request."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Fault:
    """What happens to one request instead of (or to) the server's answer."""

    status: int = 0  # answer this status, with `code` in an S3 error document
    code: str = ""
    message: str = ""
    body: bytes | None = None  # answer this instead of the S3 error document
    content_type: str = "application/xml"
    drop_after: int | None = None  # break the connection after so many bytes of the answer's body
    stall: bool = False  # read the request, never answer
    reset: bool = False  # break the connection at once
    corrupt: bool = False  # change the answer's last byte
    trickle: float | None = None  # send the body one byte at a time with this pause in seconds
    after_forwarding: bool = False  # the server does get the request; only its answer is lost


SLOW_DOWN = Fault(status=503, code="SlowDown", message="Please reduce your request rate.")
DENIED = Fault(status=403, code="AccessDenied", message="Access Denied.")
STALL = Fault(stall=True)
RESET = Fault(reset=True)


class FaultyProxy:
    """Forwards to `upstream` (http://host:port); each request takes the next of `faults`, then `always` applies.

    `only` limits both to the requests for which it is true (method, path). `requests` records (method, path).
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream)
        self.faults: deque[Fault | None] = deque()
        self.always: Fault | None = None
        self.only: Callable[[str, str], bool] = lambda method, path: True
        self.requests: list[tuple[str, str]] = []
        self._lock = threading.Lock()
        self.released = threading.Event()
        self._server = _Server(self)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def __enter__(self) -> FaultyProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Refuse connections from now on, and end every stalled request."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def next_fault(self, method: str, path: str) -> Fault | None:
        with self._lock:
            self.requests.append((method, path))
            if not self.only(method, path):
                return None
            return self.faults.popleft() if self.faults else self.always


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, proxy: FaultyProxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that went away are the point of these tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def proxy(self) -> FaultyProxy:
        assert isinstance(self.server, _Server)
        return self.server.proxy

    def log_message(self, *_: object) -> None:
        pass

    def handle_one(self) -> None:
        fault = self.proxy.next_fault(self.command, self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if fault is not None and not fault.after_forwarding and self._answer(fault):
            return
        status, headers, data = self._forward(body)
        if fault is not None and fault.after_forwarding and self._answer(fault):
            return
        if fault is not None and fault.corrupt and data:
            data = data[:-1] + bytes([data[-1] ^ 1])
        self._send(status, headers, data, fault)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_one  # noqa: N815

    def _answer(self, fault: Fault) -> bool:
        if fault.stall:
            self.proxy.released.wait(60)
            self._reset()
        elif fault.reset:
            self._reset()
        elif fault.status:
            text = f"<Error><Code>{fault.code}</Code><Message>{fault.message}</Message></Error>".encode()
            self._send(
                fault.status,
                [("Content-Type", fault.content_type)],
                text if fault.body is None else fault.body,
                None,
            )
        else:
            return False
        return True

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        upstream = http.client.HTTPConnection(
            self.proxy.upstream.hostname or "", self.proxy.upstream.port or 80, timeout=30
        )
        try:
            upstream.request(self.command, self.path, body=body or None, headers=dict(self.headers.items()))
            answer = upstream.getresponse()
            data = answer.read()
            self.length = answer.getheader("Content-Length")
            return answer.status, answer.getheaders(), data
        finally:
            upstream.close()

    def _send(self, status: int, headers: list[tuple[str, str]], data: bytes, fault: Fault | None) -> None:
        self.send_response_only(status)
        length = str(len(data))
        for name, value in headers:
            if name.lower() == "content-length" and self.command == "HEAD":
                length = value
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault is not None and fault.trickle is not None:
            for index in range(len(data)):
                if self.proxy.released.wait(fault.trickle):
                    break
                self.wfile.write(data[index : index + 1])
        elif fault is not None and fault.drop_after is not None:
            self.wfile.write(data[: fault.drop_after])
            self._reset()
        else:
            self.wfile.write(data)

    def _reset(self) -> None:
        self.wfile.flush()
        # Linger of 0 seconds: the peer gets a reset instead of an orderly end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

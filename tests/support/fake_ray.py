"""A stand-in for the `ray` command that starts in a tenth of a second: `ray start` and the Job REST API, no more.

For tests of what is around Ray. A head serves GCS (connections only), dashboard and health; a worker holds a connection
to its head and ends when that is lost, as a raylet does. Jobs are real processes on the head.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

STOP_WAIT_S = 3.0
LOG_TAIL = 20000


class Job:
    """A submitted job and its process."""

    def __init__(self, request: dict[str, Any], folder: Path) -> None:
        self.request = request
        self.log = folder / f"{request['submission_id']}.log"
        self.status = "PENDING"
        self.message = "Job has not started yet."
        self.start_time = int(time.time() * 1000)
        self.end_time = 0
        self.process: subprocess.Popen[bytes] | None = None
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        extra = (self.request.get("runtime_env") or {}).get("env_vars") or {}
        with self.log.open("wb") as output:
            output.write(f"Running entrypoint for job {self.request['submission_id']}\n".encode())
            output.flush()
            self.process = subprocess.Popen(
                self.request["entrypoint"], shell=True, stdout=output, stderr=output, env={**os.environ, **extra}
            )
        self.status, self.message = "RUNNING", "Job is currently running."
        code = self.process.wait()
        self.end_time = int(time.time() * 1000)
        if self.status == "STOPPED":
            return
        if code == 0:
            self.status, self.message = "SUCCEEDED", "Job finished successfully."
        else:
            tail = self.log.read_text(errors="replace")[-LOG_TAIL:]
            self.message = (
                f"Job entrypoint command failed with exit code {code}, "
                f"last available logs (truncated to 20,000 chars):\n{tail}"
            )
            self.status = "FAILED"

    def stop(self) -> bool:
        """SIGTERM, later SIGKILL; whether there was something to stop."""
        if self.process is None or self.process.poll() is not None:
            return False
        self.status, self.message = "STOPPED", "Job was intentionally stopped."
        self.process.terminate()
        threading.Timer(STOP_WAIT_S, self.process.kill).start()
        return True

    def as_json(self) -> dict[str, Any]:
        """As Ray's Job API describes it."""
        return {
            "submission_id": self.request["submission_id"],
            "status": self.status,
            "message": self.message,
            "start_time": self.start_time,
            "end_time": self.end_time or None,
            "entrypoint": self.request["entrypoint"],
        }


class Node:
    """A running head or worker."""

    def __init__(self, flags: dict[str, str]) -> None:
        self.flags = flags
        self.address = flags["node-ip-address"]
        self.folder = Path(flags["temp-dir"])
        self.folder.mkdir(parents=True)
        self.jobs: dict[str, Job] = {}
        self.token = Path(os.environ["RAY_AUTH_TOKEN_PATH"]).read_text()

    def serve(self) -> None:
        """Until a signal or, on a worker, the loss of the head."""
        stopped: list[int] = []
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:  # whoever started us may want us stubborn
            signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
        self._listen("node-manager-port")
        if "head" in self.flags:
            connections = self._listen("port")
            threading.Thread(target=self._hold, args=(connections,), daemon=True).start()
            self._http("dashboard-port")
        else:
            host, _, port = self.flags["address"].rpartition(":")
            gcs = socket.create_connection((host, int(port)), timeout=5)
            gcs.settimeout(None)
            threading.Thread(target=self._end_with, args=(gcs,), daemon=True).start()
        self._http("dashboard-agent-listen-port")
        print("Ray runtime started.", flush=True)
        # Not an Event: a signal that comes on the way into its wait is noticed only after it.
        while not stopped:
            time.sleep(0.05)

    def _listen(self, flag: str) -> socket.socket:
        return socket.create_server((self.address, int(self.flags[flag])), reuse_port=False)

    @staticmethod
    def _hold(server: socket.socket) -> None:
        held = []
        while True:
            held.append(server.accept())

    @staticmethod
    def _end_with(gcs: socket.socket) -> None:
        with contextlib.suppress(OSError):
            gcs.recv(1)
        print("the GCS is gone", flush=True)
        os._exit(1)

    def _http(self, flag: str) -> None:
        node = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                node.answer(self, "GET")

            def do_POST(self) -> None:
                node.answer(self, "POST")

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer((self.address, int(self.flags[flag])), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler, method: str) -> None:
        """One request to dashboard or agent."""
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        path = request.path
        if path in {"/api/healthz", "/api/gcs_healthz"}:
            self._send(request, 200, b"success", "text/plain")
            return
        if request.headers.get("x-ray-authorization") != f"Bearer {self.token}":
            self._send(request, 401, b"Unauthorized", "text/plain")
            return
        status, answer = self._jobs(method, path.removeprefix("/api/jobs/"), body)
        self._send(request, status, json.dumps(answer).encode(), "application/json")

    def _jobs(self, method: str, rest: str, body: bytes) -> tuple[int, Any]:
        if method == "POST" and not rest:
            wanted = json.loads(body)
            if wanted["submission_id"] in self.jobs:
                return 500, "Please use a different submission_id."
            self.jobs[wanted["submission_id"]] = Job(wanted, self.folder)
            return 200, {"submission_id": wanted["submission_id"]}
        job_id, _, action = rest.partition("/")
        job = self.jobs.get(job_id)
        if job is None:
            return 404, f"Job {job_id} does not exist"
        if action == "stop":
            return 200, {"stopped": job.stop()}
        if action == "logs":
            return 200, {"logs": job.log.read_text(errors="replace") if job.log.exists() else ""}
        return 200, job.as_json()

    @staticmethod
    def _send(request: BaseHTTPRequestHandler, status: int, body: bytes, kind: str) -> None:
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


def main() -> int:
    """`ray start …`; any other command does nothing."""
    if sys.argv[1:2] != ["start"]:
        return 0
    flags = {}
    for word in sys.argv[2:]:
        name, _, value = word.removeprefix("--").partition("=")
        flags[name] = value
    Node(flags).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`ray job …` without Ray."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from mnist_local.pod import ray_job


class Dashboard(ThreadingHTTPServer):
    """Remembers submissions; each look at the job brings its log a line further."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.submitted: list[dict[str, Any]] = []
        self.tokens: set[str | None] = set()
        self.statuses = ["PENDING", "RUNNING", "RUNNING", "SUCCEEDED"]
        self.log = ""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Dashboard

    def do_GET(self) -> None:
        self.server.tokens.add(self.headers.get("x-ray-authorization"))
        if self.path == "/api/jobs/missing":
            self._answer(404, "no such job")
        elif self.path.endswith("/logs"):
            self.server.log += f"line {len(self.server.statuses)}\n"
            self._answer(200, {"logs": self.server.log})
        else:
            status = self.server.statuses[0]
            if len(self.server.statuses) > 1:
                self.server.statuses.pop(0)
            self._answer(200, {"status": status})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.submitted.append(request)
        self._answer(200, {"submission_id": request["submission_id"]})

    def _answer(self, status: int, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def dashboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dashboard]:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    monkeypatch.setattr(ray_job, "_POLL_S", 0.01)
    with Dashboard() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_submission_carries_everything(dashboard: Dashboard) -> None:
    options = ["--address", dashboard.address, "--no-wait", "--submission-id", "j"]
    assert ray_job.run(["submit", *options, "--", "python", "-c", "print('a b')"]) == 0
    entrypoint = "python -c 'print('\"'\"'a b'\"'\"')'"
    assert dashboard.submitted == [{"entrypoint": entrypoint, "submission_id": "j"}]


@pytest.mark.parametrize(("end", "code"), [("SUCCEEDED", 0), ("FAILED", 1)])
def test_submission_that_waits(dashboard: Dashboard, end: str, code: int) -> None:
    dashboard.statuses[-1] = end
    assert ray_job.run(["submit", "--address", dashboard.address, "--submission-id", "j", "--", "x"]) == code


def test_following_prints_each_line_once_and_does_not_fail_with_the_job(
    dashboard: Dashboard, capsys: pytest.CaptureFixture[str]
) -> None:
    dashboard.statuses[-1] = "FAILED"
    assert ray_job.run(["logs", "--address", dashboard.address, "--follow", "j"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("line")] == ["line 3", "line 2", "line 1", "line 1"]
    assert lines[-1] == "Job 'j' failed"
    assert dashboard.tokens == {"Bearer secret"}


def test_status_of_an_unknown_job_is_an_error(dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ray_job.run(["status", "--address", dashboard.address, "j"]) == 0
    monkeypatch.setattr("sys.argv", ["ray_job", "/no/ray", "job", "status", "--address", dashboard.address, "missing"])
    assert ray_job.main() == 1


@pytest.mark.parametrize(
    "arguments",
    [["list"], ["submit", "--runtime-env-json", "{}", "--", "x"], ["status", "--address", "auto", "j"], ["logs"]],
)
def test_everything_else_is_left_to_ray(arguments: list[str]) -> None:
    with pytest.raises(ray_job.UnknownOptionError):
        ray_job.run(arguments)

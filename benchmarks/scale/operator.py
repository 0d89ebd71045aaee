"""The operator as a process whose requests, memory and CPU time are read."""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import urllib3
from tests.support.operator import OperatorProcess, start_operator

_REQUESTS = re.compile(r'mnist_operator_api_requests_total\{code="(\d+)",verb="(\w+)"\} ([\d.]+)')


@dataclass(frozen=True)
class Usage:
    """What the process has used so far."""

    requests: dict[str, int]
    """Requests by verb and code, such as "POST 201"; watches are kopf's and are not counted."""
    cpu_seconds: float
    peak_mib: float
    """Highest resident set."""
    now_mib: float

    @property
    def total(self) -> int:
        """All requests."""
        return sum(self.requests.values())

    @property
    def refused(self) -> int:
        """Requests that were not answered with success, conflicts included."""
        return sum(number for key, number in self.requests.items() if not key.split()[1].startswith("2"))


class MeasuredOperator:
    """A real operator process on one namespace."""

    def __init__(self, kubeconfig: Path, folder: Path, namespace: str, **settings: str) -> None:
        self._port = _free_port()
        defaults = {"namespaces": namespace, "health_port": str(self._port), "bind_address": "127.0.0.1"}
        # As it is shipped; the tests' operators log more and are strict.
        shipped = {"log_level": "INFO", "log_format": "json", "field_validation": "Ignore"}
        self._handle: OperatorProcess = start_operator(kubeconfig, folder, **{**defaults, **shipped, **settings})
        self._process = psutil.Process(self._handle.process.pid)

    @property
    def pid(self) -> int:
        """Of the process, for profilers."""
        return self._handle.process.pid

    def wait_ready(self) -> float:
        """Wait until its caches are filled; return the seconds that took.

        Raises:
            RuntimeError: it ended, or is not ready after a minute; the message has its log.
        """
        started = time.monotonic()
        while time.monotonic() < started + 60:
            if self._handle.process.poll() is not None:
                break
            try:
                if self._get("/readyz").status == 200:
                    return time.monotonic() - started
            except urllib3.exceptions.HTTPError:
                pass
            time.sleep(0.05)
        raise RuntimeError(f"the operator is not ready: {self._handle.text()[-2000:]}")

    def usage(self) -> Usage:
        """Read what it has used."""
        text = self._get("/metrics").data.decode()
        times = self._process.cpu_times()
        status = Path(f"/proc/{self.pid}/status").read_text()
        peak = re.search(r"VmHWM:\s+(\d+) kB", status)
        return Usage(
            requests={f"{verb} {code}": int(float(number)) for code, verb, number in _REQUESTS.findall(text)},
            cpu_seconds=times.user + times.system,
            peak_mib=int(peak.group(1)) / 1024 if peak else float("nan"),
            now_mib=self._process.memory_info().rss / 2**20,
        )

    def stop(self) -> None:
        """End it as Kubernetes does."""
        self._handle.stop()

    def _get(self, path: str) -> urllib3.BaseHTTPResponse:
        return urllib3.request("GET", f"http://127.0.0.1:{self._port}{path}", retries=False, timeout=10.0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

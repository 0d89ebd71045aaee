"""A stand-in for `mnist-trainer train` that trains nothing: it claims its training, reports, and ends as it is told.

For tests of what is around the trainer. It is told by the content of the file CONTROL/<training>: `succeed`, or the
reason of a failure that may pass; until then it reports every half second. SIGTERM ends it as an interrupted trainer.
"""

from __future__ import annotations

import json
import os
import signal
import ssl
import sys
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_STATUS = "/apis/mnist.training/v1alpha1/namespaces/{}/mnisttrainings/{}/status"
_PERIOD = 0.5


class Interrupted(Exception):  # noqa: N818
    """SIGTERM came."""


class Trainer:
    """One process of the stand-in."""

    def __init__(self, flags: dict[str, str]) -> None:
        account = Path(os.environ["MNIST_SERVICEACCOUNT_DIR"])
        self._token = (account / "token").read_text().strip()
        self._tls = ssl.create_default_context(cafile=str(account / "ca.crt"))
        where = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
        self._url = where + _STATUS.format(flags["--training-namespace"], flags["--training-name"])
        self._attempt = int(flags["--attempt"])
        self._workers = int(flags["--workers"])
        self._run_id = f"run-{os.getpid()}"
        assert os.environ["AWS_SECRET_ACCESS_KEY"], "the cluster's pods have the credentials in their environment"

    def report(self, state: str, **fields: Any) -> None:
        """Write status.training."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        report = {"attempt": self._attempt, "runId": self._run_id, "state": state, "updatedAt": now, **fields}
        patch = [
            {"op": "test", "path": "/status/attempt", "value": self._attempt},
            {"op": "add", "path": "/status/training", "value": report},
        ]
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json-patch+json"}
        request = urllib.request.Request(self._url, json.dumps(patch).encode(), headers, method="PATCH")
        with urllib.request.urlopen(request, context=self._tls, timeout=10) as answer:
            answer.read()

    def run(self, control: Path) -> int:
        """Report until told how to end. Return the exit status."""
        while not control.exists():
            self.report("Training", epoch=1, epochs=2, progressPercent=50, workers=self._workers)
            time.sleep(_PERIOD)
        word = control.read_text().strip()
        if word == "succeed":
            result = {"model": "s3://models/m", "sha256": "a" * 64, "accuracy": 0.99, "trainSeconds": 1.0}
            self.report("Succeeded", epoch=2, epochs=2, progressPercent=100, accuracy=0.99, result=result)
            return 0
        self.report("Failed", failure={"reason": word, "message": "as the test wanted", "retryable": True})
        return 69


def install(directory: Path, control: Path) -> Path:
    """Write the command `mnist-trainer` into a folder for PATH. Return the folder."""
    folder = directory / "programs"
    folder.mkdir()
    script = folder / "mnist-trainer"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -S "{Path(__file__)}" "{control}" "$@"\n')
    script.chmod(0o700)
    return folder


def main() -> int:
    """`CONTROL train --flag value ...`."""

    def interrupted(*_: object) -> None:
        raise Interrupted

    signal.signal(signal.SIGTERM, interrupted)
    words = sys.argv[3:]
    flags = dict(zip(words[::2], words[1::2], strict=True))
    print("training", flags["--training-name"], flush=True)
    try:
        return Trainer(flags).run(Path(sys.argv[1]) / flags["--training-name"])
    except Interrupted:
        return 75


if __name__ == "__main__":
    sys.exit(main())

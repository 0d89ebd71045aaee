"""The real operator as a process of its own, for tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_END_SECONDS = 60.0


@dataclass(slots=True)
class OperatorProcess:
    """A running operator; its log is in `log`."""

    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(_END_SECONDS)

    def stop(self) -> int:
        """End it as Kubernetes does, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def text(self) -> str:
        """Return the log."""
        return self.log.read_text(errors="replace")


# In each process: what a container has whose uid stands in no passwd file and whose image sets no variables.
_NOBODY = """
import pwd
def getpwuid(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")
pwd.getpwuid = getpwuid
"""
_USER_VARIABLES = ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "POD_ID")


def environment_of_nobody(directory: Path) -> dict[str, str]:
    """Return the environment of a Python process whose user nobody knows; `directory` gets what makes it so."""
    (directory / "sitecustomize.py").write_text(_NOBODY)
    env = {key: value for key, value in os.environ.items() if key not in _USER_VARIABLES}
    return {**env, "PYTHONPATH": str(directory)}


def start_operator(
    kubeconfig: Path, directory: Path, environment: Mapping[str, str] = os.environ, **settings: str
) -> OperatorProcess:
    """Start an operator against the server of `kubeconfig`; `settings` are MNIST_OPERATOR_* in lower case."""
    env = {key: value for key, value in environment.items() if not key.startswith(("KUBERNETES_", "MNIST_OPERATOR_"))}
    env["KUBECONFIG"] = str(kubeconfig)
    defaults = {"health_port": "0", "log_format": "text", "log_level": "DEBUG", "field_validation": "Strict"}
    env |= {f"MNIST_OPERATOR_{key.upper()}": value for key, value in {**defaults, **settings}.items()}
    log = directory / "operator.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "mnist_operator", "run"],
            env=env,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )
    return OperatorProcess(process, log)

"""What ships, run as a cluster runs it: no passwd entry, a read-only root, no capabilities, and /tmp to write to.

An image is run by a container engine. Where there is none, the operator's wheel is installed and run in a root of its
own that holds nothing but the system's libraries and that installation.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD_SECONDS = 1800.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Identity:
    """The numbers of a container's user and group."""

    uid: int
    gid: int


@dataclass(slots=True)
class ShippedProcess:
    """A started container or process; all that it prints is in `log`."""

    process: subprocess.Popen[bytes]
    log: Path

    def text(self) -> str:
        """Return what it printed."""
        return self.log.read_text(errors="replace")

    def wait_for(self, what: Callable[[], T], description: str, seconds: float = 60.0) -> T:
        """Return the first true value of `what()`.

        Raises:
            AssertionError: it ended, or it is too late; with all that it printed.
        """
        deadline = time.monotonic() + seconds
        while not (value := what()):
            ended = self.process.poll()
            assert ended is None, f"it ended with {ended} before {description}:\n{self.text()}"
            assert time.monotonic() < deadline, f"waited {seconds} s for {description}:\n{self.text()}"
            time.sleep(0.1)
        return value

    def stop(self, seconds: float = 40.0) -> int:
        """End it as Kubernetes does, by SIGTERM, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


class Shipped(Protocol):
    """Something that can be started as a pod's container."""

    what: str

    def start(
        self, args: Sequence[str], env: Mapping[str, str], mounts: Mapping[Path, str], identity: Identity, log: Path
    ) -> ShippedProcess:
        """Start it with `mounts` (folders to their places inside, read-only)."""


@dataclass(slots=True)
class Engine:
    """A container engine with Docker's command line."""

    program: str
    network: str = "host"

    @classmethod
    def find(cls) -> Engine | None:
        """The engine that works here, if any; CONTAINER_ENGINE names one, or is `none`."""
        given = os.environ.get("CONTAINER_ENGINE", "")
        for program in [given] if given else ["docker", "podman"]:
            if shutil.which(program) and subprocess.run([program, "info"], capture_output=True).returncode == 0:
                return cls(program)
        return None

    def build(self, dockerfile: str, tag: str, arguments: Mapping[str, str]) -> None:
        """Build an image of this repository.

        Raises:
            RuntimeError: it does not build; the message has the end of the output.
        """
        given = [part for name, value in arguments.items() if value for part in ("--build-arg", f"{name}={value}")]
        command = [self.program, "build", "--network", "host", "-f", dockerfile, *given, "-t", tag, "."]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=BUILD_SECONDS)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")

    def command(self, *options: str) -> list[str]:
        """A `run` with the security context of the chart and of the operator's pods, and with `options`."""
        secure = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        return [self.program, "run", "--rm", "--network", self.network, *secure, *options]

    def run(self, *command: str, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run another command of the engine, such as `exec`."""
        return subprocess.run([self.program, *command], capture_output=True, text=True, timeout=timeout)


@dataclass(slots=True)
class Image:
    """An image, run by an engine."""

    engine: Engine
    tag: str
    options: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        """What this is, for people."""
        return f"image {self.tag}, run by {self.engine.program}"

    def start(
        self, args: Sequence[str], env: Mapping[str, str], mounts: Mapping[Path, str], identity: Identity, log: Path
    ) -> ShippedProcess:
        """Start a container."""
        command = self._command(args, env, mounts, identity)
        with log.open("wb") as output:
            return ShippedProcess(subprocess.Popen(command, stdout=output, stderr=output), log)

    def run(
        self, args: Sequence[str], env: Mapping[str, str], identity: Identity, seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """Run a container to its end."""
        command = self._command(args, env, {}, identity)
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds)

    def _command(
        self, args: Sequence[str], env: Mapping[str, str], mounts: Mapping[Path, str], identity: Identity
    ) -> list[str]:
        options = ["--user", f"{identity.uid}:{identity.gid}", *self.options]
        options += [part for name, value in env.items() for part in ("-e", f"{name}={value}")]
        options += [part for folder, place in mounts.items() for part in ("-v", f"{folder}:{place}:ro")]
        return [*self.engine.command(*options), self.tag, *args]


# $1 is the root to make, $2 the installation, $3 the user, $4 the group, $5 the number of mounts that follow in pairs.
_EMPTY_ROOT = r"""
set -eu
root=$1 venv=$2 uid=$3 gid=$4 pairs=$5; shift 5
mount -t tmpfs -o mode=755 tmpfs "$root"
bind() { mkdir -p "$root$2"; mount --bind "$1" "$root$2"; mount -o remount,bind,ro "$root$2"; }
bind /usr /usr
for link in bin lib lib64 sbin; do
  if [ -L "/$link" ]; then ln -s "$(readlink "/$link")" "$root/$link"
  elif [ -d "/$link" ]; then bind "/$link" "/$link"; fi
done
bind "$venv" /opt/venv
for _ in $(seq "$pairs"); do bind "$1" "$2"; shift 2; done
mkdir -p "$root/tmp" "$root/proc" "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
for device in null zero random urandom; do
  touch "$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"
done
mount -o remount,ro "$root"
exec chroot "$root" /usr/bin/setpriv --reuid "$uid" --regid "$gid" --clear-groups --no-new-privs --bounding-set=-all \
  --inh-caps=-all /opt/venv/bin/python -m mnist_operator "$@"
"""


@dataclass(slots=True)
class OperatorWheel:
    """The operator's wheel, installed for the system's Python. Needs root, for the root of its own."""

    venv: Path

    @property
    def what(self) -> str:
        """What this is, for people."""
        return "the installed wheel in an empty, read-only root (there is no container engine here)"

    @classmethod
    def install(cls, folder: Path) -> OperatorWheel:
        """Build and install it with the versions that ship.

        Raises:
            subprocess.CalledProcessError: a step failed.
        """
        venv = folder / "venv"
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", str(venv)], check=True)
        pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python"), "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", "-c", "constraints.txt", ".[operator]"], cwd=REPOSITORY, check=True)
        for made in (folder, venv):
            made.chmod(0o755)
        return cls(venv)

    def start(
        self, args: Sequence[str], env: Mapping[str, str], mounts: Mapping[Path, str], identity: Identity, log: Path
    ) -> ShippedProcess:
        """Start it in a mount namespace of its own."""
        root = tempfile.mkdtemp(dir=log.parent)
        pairs = [str(part) for pair in mounts.items() for part in pair]
        command = ["unshare", "--mount", "--propagation", "private", "bash", "-c", _EMPTY_ROOT, "shipped"]
        command += [root, str(self.venv), str(identity.uid), str(identity.gid), str(len(mounts)), *pairs, *args]
        path = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}
        with log.open("wb") as output:
            process = subprocess.Popen(command, env={**path, "HOME": "/tmp", **env}, stdout=output, stderr=output)
        return ShippedProcess(process, log)


@contextlib.contextmanager
def always_stopped(process: ShippedProcess) -> Iterator[ShippedProcess]:
    """End a process that a failed test leaves."""
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.stop()

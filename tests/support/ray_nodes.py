"""A real Ray cluster of several nodes on this machine, one `ray start` each, for tests and benchmarks."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_CLEAN = ("AWS_", "RAY_", "KUBERNETES_")
_START_SECONDS = 120.0


@dataclass(eq=False)
class RayNode:
    """A node: the process of its `ray start`, its address, the port where it exports metrics, and its pod's name."""

    process: subprocess.Popen[bytes]
    address: str
    metrics_port: int
    name: str

    def processes(self) -> list[psutil.Process]:
        """All living processes of the node."""
        try:
            root = psutil.Process(self.process.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def workers(self) -> list[int]:
        """Pids of the processes that train."""
        return [process.pid for process in self.processes() if is_train_worker(process)]

    def kill(self) -> None:
        """Take the node away at once, as a machine does that loses its power."""
        processes = self.processes()
        for process in processes:
            process.suspend()  # or else those that notice say goodbye
        for process in processes:
            process.kill()
        self.process.wait(10)


@dataclass
class RayNodes:
    """A head without CPUs and any number of workers; `env` lets a process on this machine use the cluster."""

    env: dict[str, str]
    directory: Path
    worker_env: dict[str, str]
    nodes: list[RayNode] = field(default_factory=list)
    _ports: set[int] = field(default_factory=set)

    @classmethod
    def start(
        cls, workers: int, node_env: dict[str, str] | None = None, worker_env: dict[str, str] | None = None
    ) -> RayNodes:
        """Start a head and `workers` nodes of one CPU; the variables are for all nodes, or for workers only."""
        directory = Path(tempfile.mkdtemp(prefix="rn-"))  # short: sockets live below it
        token = directory / "token"
        token.write_text(secrets.token_hex(16))
        clean = {key: value for key, value in os.environ.items() if not key.startswith(_CLEAN)}
        clean |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "RAY_USAGE_STATS_ENABLED": "0"}
        clean["RAY_raylet_start_wait_time_s"] = "90"  # a busy machine
        cluster = cls({**clean, **(node_env or {})}, directory, worker_env or {})
        try:
            cluster._start_head()
            for _ in range(workers):
                cluster.add_worker(wait=False)
            for node in cluster.nodes[1:]:
                cluster._wait(node)
        except BaseException:
            cluster.stop()
            raise
        return cluster

    @property
    def head(self) -> RayNode:
        """The node where a driver runs."""
        return self.nodes[0]

    def driver_env(self) -> dict[str, str]:
        """The environment of a driver on the head, as a submitted job has it."""
        job = {"runtime_env": {"env_vars": {}}, "metadata": {"job_submission_id": "test"}}
        return {
            **self.env,
            "MNIST_SCRATCH_DIR": str(self.directory),
            "RAY_JOB_CONFIG_JSON_ENV_VAR": json.dumps(job),
        }

    def add_worker(self, wait: bool = True) -> RayNode:
        """Start one more node of one CPU."""
        return self._add(["--address", self.env["RAY_ADDRESS"], "--num-cpus=1"], wait, self.worker_env)

    def stop(self) -> None:
        """End all nodes and remove their files. Safe to call twice."""
        for node in reversed(self.nodes):
            for process in node.processes():
                try:
                    process.kill()
                except psutil.NoSuchProcess:
                    continue
            node.process.wait(10)
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> RayNodes:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start_head(self) -> None:
        port = self._free_port()
        options = ["--head", f"--port={port}", "--num-cpus=0", "--include-dashboard=false", "--no-monitor"]
        node = self._add([*options, f"--ray-client-server-port={self._free_port()}"], wait=False)
        self.env["RAY_ADDRESS"] = f"{node.address}:{port}"
        self._wait(node)

    def _add(self, options: list[str], wait: bool, env: dict[str, str] | None = None) -> RayNode:
        number = len(self.nodes)
        address = f"127.{secrets.randbelow(200) + 20}.{secrets.randbelow(250) + 1}.{number + 2}"
        metrics_port = self._free_port()
        folder = self.directory / str(number)
        command = [str(Path(sys.executable).with_name("ray")), "start", "--block", *options]
        command += [f"--node-ip-address={address}", f"--temp-dir={folder}", f"--metrics-export-port={metrics_port}"]
        command += [f"--dashboard-agent-listen-port={self._free_port()}", "--min-worker-port=0", "--max-worker-port=0"]
        command += [f"--memory={1 << 30}", f"--object-store-memory={256 << 20}", "--disable-usage-stats"]
        name = f"cluster-worker-{number}"
        named = {"RAY_CLOUD_INSTANCE_ID": name}  # as KubeRay tells a pod's processes the pod's name
        with (self.directory / f"{number}.log").open("wb") as log:
            process = subprocess.Popen(command, env={**self.env, **named, **(env or {})}, stdout=log, stderr=log)
        self.nodes.append(RayNode(process, address, metrics_port, name))
        if wait:
            self._wait(self.nodes[-1])
        return self.nodes[-1]

    def _wait(self, node: RayNode) -> None:
        log = self.directory / f"{self.nodes.index(node)}.log"
        deadline = time.monotonic() + _START_SECONDS
        while "Ray runtime started" not in log.read_text(errors="replace"):
            if node.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"a Ray node did not start: {log.read_text(errors='replace')}")
            time.sleep(0.05)

    def _free_port(self) -> int:
        while True:
            with socket.socket() as probe:
                probe.bind(("", 0))
                port = int(probe.getsockname()[1])
            if port not in self._ports:
                self._ports.add(port)
                return port


def is_train_worker(process: psutil.Process) -> bool:
    """Whether a training's worker lives in this process."""
    try:
        return "TrainWorker" in " ".join(process.cmdline())
    except psutil.Error:
        return False

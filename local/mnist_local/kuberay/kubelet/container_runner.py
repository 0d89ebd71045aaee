"""Runs one container of a pod: configuration, its turn to start, readiness, end."""

import asyncio
from dataclasses import replace
from pathlib import Path

import aiohttp

from mnist_kube.objects import Object
from mnist_kube.times import from_unix, timestamp
from mnist_local.kuberay.kubelet import launch, volumes
from mnist_local.kuberay.kubelet.folders import PodFolders
from mnist_local.kuberay.kubelet.launch import Launch, RayPlace
from mnist_local.kuberay.kubelet.network import NodeNetwork
from mnist_local.kuberay.kubelet.pod_status import KubeletContext, PodReporter
from mnist_local.kuberay.kubelet.shim_client import ShimClient, ShimLostError
from mnist_local.kuberay.kubelet.starts import Turn

_CONFIG_RETRY_S = 0.5
_JOINED = "Ray runtime started"  # `ray start` says so when the GCS knows the node
_JOIN_POLL_S = 0.1
_LONGEST_START_S = 90.0  # Ray itself gives up after some 30 s; whatever hangs longer must not keep others waiting
_LAST_WORDS = 300
_PROBE_TIMEOUT_S = 2.0
_PROBE_UNTIL_READY_S = 0.15
_PROBE_PERIOD_S = 1.0
_UNREADY_AFTER_S = 50.0  # KubeRay's readiness probe fails ten times, five seconds apart, before it tells
_KILLED_EXIT_CODE = 137  # 128 + SIGKILL
_UNSTARTABLE_EXIT_CODE = 128
_WAITS_FOR_TURN = "waits for its turn: a few Ray nodes at a time start on this machine"


def _text(log: Path) -> str:
    try:
        return log.read_text(errors="replace")
    except OSError:
        return ""


def _last_line(log: Path) -> str:
    """The last line that is not blank, cut to a length for a status."""
    lines = [line.strip() for line in _text(log).splitlines() if line.strip()]
    return lines[-1][:_LAST_WORDS] if lines else ""


class ContainerRunner:
    """One container. Its states go to the reporter."""

    def __init__(
        self,
        context: KubeletContext,
        reporter: PodReporter,
        shim: ShimClient,
        folders: PodFolders,
        ray: RayPlace,
        container: Object,
    ) -> None:
        """`ray` says where the Ray is that the container runs or talks to."""
        self._context = context
        self._reporter = reporter
        self._shim = shim
        self._folders = folders
        self._ray = ray
        self._container = container
        self.name: str = container["name"]

    async def run(self) -> int:
        """Run until the container ends; returns its exit code."""
        start = await self._configure()
        log = self._context.folders.log(self._reporter.pod, self.name)
        turn = await self._turn() if self._ray.runs(self._container) else None
        try:
            return await self._run_process(start, log, turn)
        finally:
            if turn is not None:
                turn.release()

    async def _turn(self) -> Turn:
        starts = self._context.starts
        if (turn := starts.take()) is not None:
            return turn
        self._reporter.set(self._reporter.state(self.name).wait("ContainerCreating", _WAITS_FOR_TURN))
        return await starts.wait()

    async def _run_process(self, start: Launch, log: Path, turn: Turn | None) -> int:
        await self._reporter.event("Normal", "Created", f"Created container: {self.name}")
        event = await self._shim.run(self.name, start.argv, start.env, self._folders.home, log)
        at = from_unix(event["at"])
        if event["event"] == "unstartable":
            await self._reporter.event("Warning", "Failed", f"Error: {event['message']}")
            state = self._reporter.state(self.name)
            self._reporter.set(state.end(_UNSTARTABLE_EXIT_CODE, None, at, event["message"], "StartError"))
            return _UNSTARTABLE_EXIT_CODE
        self._reporter.set(self._reporter.state(self.name).run(at, f"process://{event['pid']}"))
        followers = [asyncio.create_task(self._follow_readiness())]
        if turn is not None:
            followers.append(asyncio.create_task(self._end_when_joined(turn, log)))
        await self._reporter.event("Normal", "Started", f"Started container: {self.name}")
        try:
            ended = await self._shim.wait(self.name)
            if turn is None or _JOINED in _text(log):
                return self.record_exit(ended)
            self._context.starts.learn(joined=False)
            return self.record_exit(ended, _last_line(log))  # it says why the node never joined, and nothing else does
        except ShimLostError as error:
            self._reporter.set(self._reporter.state(self.name).end(_KILLED_EXIT_CODE, 9, timestamp(), str(error)))
            return _KILLED_EXIT_CODE
        finally:
            for task in followers:
                task.cancel()

    async def _end_when_joined(self, turn: Turn, log: Path) -> None:
        loop = asyncio.get_running_loop()
        limit = loop.time() + _LONGEST_START_S
        while not (joined := _JOINED in _text(log)) and loop.time() < limit:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(_JOIN_POLL_S)
        if joined:
            self._context.starts.learn(joined=True)
        turn.release()

    def record_exit(self, event: Object, message: str = "") -> int:
        """Take in the shim's `exited` event; returns the exit code."""
        code: int = event["exitCode"]
        at = from_unix(event["at"])
        self._reporter.set(self._reporter.state(self.name).end(code, event.get("signal"), at, message if code else ""))
        return code

    async def _configure(self) -> Launch:
        """Resolve argv and environment, waiting for Secrets and ConfigMaps that do not exist yet."""
        told = ""
        while True:
            pod = self._reporter.pod
            try:
                sources = await volumes.read_sources(self._context.api, pod)
                machine, endpoints = self._context.machine, self._context.places.endpoints()
                start = launch.build(self._container, pod, self._folders, machine, self._ray, sources, endpoints)
            except volumes.ContainerConfigError as error:
                self._reporter.set(self._reporter.state(self.name).wait("CreateContainerConfigError", str(error)))
                if told != str(error):
                    told = str(error)
                    await self._reporter.event("Warning", "Failed", f"Error: {error}")
                await asyncio.sleep(_CONFIG_RETRY_S)
                continue
            if start.ray_token:
                self._folders.write_ray_token(start.ray_token)
            return start

    async def _follow_readiness(self) -> None:
        """Without a probe a running container is ready; a Ray container is what its health endpoint says."""
        node, start = self._ray.node, launch.start_command(self._container)
        if node is None or start is None:
            self._reporter.set(replace(self._reporter.state(self.name), ready=True))
            return
        probe = HealthProbe(self._context.http, node, is_head=launch.parse(start)[0])
        loop = asyncio.get_running_loop()
        ready, passed_at = False, 0.0
        while True:
            if await probe.passes():
                passed_at = loop.time()
                if not ready:
                    self._reporter.set(replace(self._reporter.state(self.name), ready=True))
                ready = True
            elif ready and loop.time() - passed_at >= _UNREADY_AFTER_S:
                ready = False
                self._reporter.set(replace(self._reporter.state(self.name), ready=False))
                await self._reporter.event("Warning", "Unhealthy", "Readiness probe failed")
            await asyncio.sleep(_PROBE_PERIOD_S if ready else _PROBE_UNTIL_READY_S)


class HealthProbe:
    """GET /api/healthz of the dashboard agent of one Ray node, as KubeRay's probes do.

    A worker is taken for healthy as soon as its raylet serves: its agent comes seconds later, and is of use to nobody
    who waits for the worker. From the agent's first answer on, the agent's word counts.
    """

    def __init__(self, session: aiohttp.ClientSession, node: NodeNetwork, is_head: bool) -> None:
        self._session = session
        self._node = node
        self._url = f"http://{node.at('dashboard_agent')}/api/healthz"
        self._agent_has_answered = is_head

    async def passes(self) -> bool:
        try:
            timeout = aiohttp.ClientTimeout(total=_PROBE_TIMEOUT_S)
            async with self._session.get(self._url, timeout=timeout) as response:
                self._agent_has_answered = True
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return not self._agent_has_answered and await _listens(self._node.address, self._node.ports["raylet"])


async def until_listening(address: str, port: int, poll_s: float) -> None:
    """Return when a server listens there."""
    while not await _listens(address, port):  # noqa: ASYNC110 - another process has no event to set
        await asyncio.sleep(poll_s)


async def _listens(address: str, port: int) -> bool:
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True

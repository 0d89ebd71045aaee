"""Runs one container of a pod: configuration, start, readiness, end, restart."""

import asyncio
from dataclasses import replace

from mnist_local.kuberay import clock
from mnist_local.kuberay.json_types import Json
from mnist_local.kuberay.kubelet import launch, ray_node
from mnist_local.kuberay.kubelet.context import KubeletContext
from mnist_local.kuberay.kubelet.environment import ContainerConfigError
from mnist_local.kuberay.kubelet.folders import PodFolders
from mnist_local.kuberay.kubelet.launch import Launch, RayPlace
from mnist_local.kuberay.kubelet.pod_reporter import PodReporter
from mnist_local.kuberay.kubelet.probes import HealthProbe
from mnist_local.kuberay.kubelet.supervisor_client import SupervisorClient, SupervisorLostError

_CONFIG_RETRY_S = 0.5
_FIRST_BACKOFF_S = 10.0
_LAST_BACKOFF_S = 300.0
_PROBE_UNTIL_READY_S = 0.15
_PROBE_PERIOD_S = 1.0
_PROBE_FAILURES = 3
_KILLED_EXIT_CODE = 137  # 128 + SIGKILL
_UNSTARTABLE_EXIT_CODE = 128


class ContainerRunner:
    """One container. Its states go to the reporter; `run` returns its last exit code."""

    def __init__(
        self,
        context: KubeletContext,
        reporter: PodReporter,
        supervisor: SupervisorClient,
        folders: PodFolders,
        ray: RayPlace,
        container: Json,
    ) -> None:
        """`ray` says where the Ray is that the container runs or talks to."""
        self._context = context
        self._reporter = reporter
        self._supervisor = supervisor
        self._folders = folders
        self._ray = ray
        self._container = container
        self.name: str = container["name"]

    async def run(self, restart_policy: str) -> int:
        """Run until the container ends and its policy lets it rest."""
        delay = 0.0
        while True:
            code = await self._run_once()
            if restart_policy == "Never" or (restart_policy == "OnFailure" and code == 0):
                return code
            self._reporter.set(self._reporter.state(self.name).restart())
            if delay:
                note = f"Back-off restarting failed container {self.name}"
                await self._reporter.event("Warning", "BackOff", note)
            await asyncio.sleep(delay)
            delay = min(max(delay * 2, _FIRST_BACKOFF_S), _LAST_BACKOFF_S)

    async def _run_once(self) -> int:
        start = await self._configure()
        pod = self._reporter.pod
        log_file = self._context.folders.log(pod, self.name)
        await self._reporter.event("Normal", "Created", f"Created container: {self.name}")
        event = await self._supervisor.run(self.name, start.argv, start.env, self._folders.home, log_file)
        at = clock.from_unix(event["at"])
        if event["event"] == "unstartable":
            await self._reporter.event("Warning", "Failed", f"Error: {event['message']}")
            state = self._reporter.state(self.name)
            self._reporter.set(state.end(_UNSTARTABLE_EXIT_CODE, None, at, event["message"], "StartError"))
            return _UNSTARTABLE_EXIT_CODE
        self._reporter.set(self._reporter.state(self.name).run(at, f"process://{event['pid']}"))
        readiness = asyncio.create_task(self._follow_readiness())
        await self._reporter.event("Normal", "Started", f"Started container: {self.name}")
        try:
            return self.record_exit(await self._supervisor.wait(self.name))
        except SupervisorLostError as error:
            self._reporter.set(self._reporter.state(self.name).end(_KILLED_EXIT_CODE, 9, clock.timestamp(), str(error)))
            return _KILLED_EXIT_CODE
        finally:
            readiness.cancel()

    def record_exit(self, event: Json) -> int:
        """Take in the supervisor's `exited` event; returns the exit code."""
        code: int = event["exitCode"]
        at = clock.from_unix(event["at"])
        self._reporter.set(self._reporter.state(self.name).end(code, event.get("signal"), at))
        return code

    async def _configure(self) -> Launch:
        """Resolve argv and environment, waiting for Secrets and ConfigMaps that do not exist yet."""
        told = ""
        while True:
            pod = self._reporter.pod
            try:
                sources = await self._context.sources(pod)
                restart = self._reporter.state(self.name).restarts
                machine, endpoints = self._context.machine, self._context.places.endpoints()
                start = launch.build(
                    self._container, pod, self._folders, machine, self._ray, sources, endpoints, restart
                )
            except ContainerConfigError as error:
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
        node, start = self._ray.node, ray_node.start_command(self._container)
        if node is None or start is None:
            self._reporter.set(replace(self._reporter.state(self.name), ready=True))
            return
        probe = HealthProbe(self._context.http, node, is_head=ray_node.parse(start)[0])
        failures = 0
        ready = False
        while True:
            passed = await probe.passes()
            failures = 0 if passed else failures + 1
            if passed != ready and (passed or failures >= _PROBE_FAILURES):
                ready = passed
                self._reporter.set(replace(self._reporter.state(self.name), ready=ready))
                if not ready:
                    await self._reporter.event("Warning", "Unhealthy", "Readiness probe failed")
            await asyncio.sleep(_PROBE_PERIOD_S if ready else _PROBE_UNTIL_READY_S)

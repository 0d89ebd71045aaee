"""The life of one pod on this machine, from its first status to its last."""

import asyncio
import logging
from typing import Any

import aiohttp

from mnist_local.kuberay import clock
from mnist_local.kuberay import constants as k
from mnist_local.kuberay.json_types import Json, labels_of
from mnist_local.kuberay.kubeapi import PODS, ApiError
from mnist_local.kuberay.kubelet import launch, service_account, volumes
from mnist_local.kuberay.kubelet.container_runner import ContainerRunner
from mnist_local.kuberay.kubelet.context import KubeletContext
from mnist_local.kuberay.kubelet.launch import RayPlace
from mnist_local.kuberay.kubelet.network import NodeNetwork
from mnist_local.kuberay.kubelet.pod_reporter import PodReporter
from mnist_local.kuberay.kubelet.pod_status import HOST_IP
from mnist_local.kuberay.kubelet.probes import until_listening
from mnist_local.kuberay.kubelet.supervisor_client import SupervisorClient, SupervisorLostError

_POLL_S = 0.1
_VOLUME_RETRY_S = 0.5
_TOKEN_RETRY_S = 5.0

log = logging.getLogger(__name__)


class PodWorker:
    """Runs one pod. `run` ends when the pod is finished or gone; `stop` and `kill` end it early."""

    def __init__(self, context: KubeletContext, pod: Json) -> None:
        """`pod` is bound to this node."""
        self._context = context
        self._reporter = PodReporter(context, pod)
        self._folders = context.folders.pod(pod)
        self._supervisor: SupervisorClient | None = None
        self._runners: dict[str, ContainerRunner] = {}
        self._worker_node: NodeNetwork | None = None
        self._grace_s: float | None = None
        self._stop_changed = asyncio.Event()

    @property
    def supervisor_pid(self) -> int | None:
        """Process id of the pod's supervisor, once it has one."""
        return None if self._supervisor is None else self._supervisor.pid

    def update(self, pod: Json) -> None:
        """Take in a newer version of the object."""
        self._reporter.pod = pod

    def stop(self, grace_s: float) -> None:
        """End the pod as its deletion asks for: SIGTERM, SIGKILL after the grace period, then the object goes."""
        if self._grace_s is None or grace_s < self._grace_s:
            self._grace_s = grace_s
            self._stop_changed.set()

    def kill(self) -> None:
        """End all processes at once and say nothing to the API: the object, or this controller, is going."""
        self._reporter.gone = True
        self._grace_s = 0.0
        self._stop_changed.set()

    async def run(self) -> None:
        """Live, end, clean up."""
        publisher = asyncio.create_task(self._reporter.run())
        life = asyncio.create_task(self._live())
        stopping = asyncio.create_task(self._stop_changed.wait())
        try:
            await asyncio.wait([life, stopping], return_when=asyncio.FIRST_COMPLETED)
            life.cancel()
            if await _settle(life) is not None:
                self._reporter.force_phase("Failed")
            if self._grace_s is not None:
                await self._wind_down()
        finally:
            stopping.cancel()
            publisher.cancel()
            await _settle(publisher)
            await self._clean_up()
        await self._reporter.flush()
        if self._grace_s is not None:
            await self._reporter.retry(self._delete_object)

    async def _delete_object(self) -> None:
        await self._context.api.delete(PODS, self._reporter.pod, grace_period_seconds=0)

    async def _clean_up(self) -> None:
        if self._supervisor is not None:
            await self._supervisor.end()
        if self._worker_node is not None:
            self._context.places.network.release(self._worker_node)
        await asyncio.to_thread(self._folders.remove)

    # --- start -------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        pod = self._reporter.pod
        spec = pod["spec"]
        self._folders.make()
        label = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        environment = launch.supervisor_environment(self._context.machine)
        errors = self._context.folders.supervisor_errors()
        supervisor = self._supervisor = await SupervisorClient.start(label, environment, errors)
        ray = self._place()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._set_up_volumes())
            refresh_s = group.create_task(self._write_token())
        self._reporter.pod_ip = ray.node.address if ray.node else HOST_IP
        for container in [*(spec.get("initContainers") or []), *spec["containers"]]:
            runner = ContainerRunner(self._context, self._reporter, supervisor, self._folders, ray, container)
            self._runners[runner.name] = runner
        keeper = asyncio.create_task(self._keep_token(refresh_s.result()))
        try:
            if await self._initialize(ray):
                policy = spec.get("restartPolicy", "Always")
                await asyncio.gather(*(self._runners[c["name"]].run(policy) for c in spec["containers"]))
        finally:
            keeper.cancel()

    def _place(self) -> RayPlace:
        """The pod's own network if it is a Ray node, and its cluster's address in any case."""
        pod = self._reporter.pod
        labels = labels_of(pod)
        is_node = labels.get(k.IS_RAY_NODE_LABEL) == "yes"
        cluster = self._context.cluster_of(pod)
        if cluster is None:
            if is_node:
                raise RuntimeError(f"the RayCluster of pod {pod['metadata']['name']} does not exist")
            return RayPlace(None, "", "")
        place = self._context.places.of(cluster)
        if not is_node:
            return RayPlace(None, place.gcs, place.fallback_token)
        if labels.get(k.NODE_TYPE_LABEL) == k.HEAD:
            return RayPlace(place.node, place.gcs, place.fallback_token)
        self._worker_node = self._context.places.network.allocate()
        return RayPlace(self._worker_node, place.gcs, place.fallback_token)

    async def _set_up_volumes(self) -> None:
        while True:
            pod = self._reporter.pod
            try:
                volumes.set_up(pod, self._folders.volumes, await self._context.sources(pod))
            except volumes.MountError as error:
                await self._reporter.event("Warning", "FailedMount", str(error))
                await asyncio.sleep(_VOLUME_RETRY_S)
            else:
                return

    async def _write_token(self) -> float | None:
        """Seconds until the token wants to be renewed; None for a pod without one."""
        pod = self._reporter.pod
        if not service_account.is_wanted(pod):
            return None
        while True:
            try:
                return await service_account.write(self._context.api, pod, self._folders.service_account)
            except ApiError as error:
                if service_account.name_of(pod) == "default":
                    log.info("pod %s runs without a token: %s", pod["metadata"]["name"], error)
                    return None  # a namespace just made; nothing here needs the default identity
                await self._reporter.event("Warning", "FailedMount", f"MountVolume.SetUp failed : {error}")
                await asyncio.sleep(_VOLUME_RETRY_S)

    async def _keep_token(self, refresh_s: float | None) -> None:
        while refresh_s is not None:
            await asyncio.sleep(refresh_s)
            try:
                refresh_s = await service_account.write(
                    self._context.api, self._reporter.pod, self._folders.service_account
                )
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
                log.warning("token of pod %s was not renewed: %r", self._reporter.pod["metadata"]["name"], error)
                refresh_s = _TOKEN_RETRY_S

    async def _initialize(self, ray: RayPlace) -> bool:
        """Run the init containers one after the other; False when one has failed for good."""
        spec = self._reporter.pod["spec"]
        policy = "Never" if spec.get("restartPolicy") == "Never" else "OnFailure"
        for container in spec.get("initContainers") or []:
            if container["name"] == k.WAIT_FOR_GCS and ray.node is not None:
                await self._wait_for_gcs(ray.gcs)
            elif await self._runners[container["name"]].run(policy) != 0:
                return False
        for state in self._reporter.mains.values():
            self._reporter.set(state.wait("ContainerCreating"))
        return True

    async def _wait_for_gcs(self, gcs: str) -> None:
        """What the init container would do, without a Python and a Ray to start for it."""
        state = self._reporter.state(k.WAIT_FOR_GCS)
        self._reporter.set(state.run(clock.timestamp(), ""))
        address, _, port = gcs.rpartition(":")
        await until_listening(address, int(port), _POLL_S)
        self._reporter.set(self._reporter.state(k.WAIT_FOR_GCS).end(0, None, clock.timestamp()))

    # --- end ---------------------------------------------------------------------------------------------------

    async def _wind_down(self) -> None:
        """End what runs, with the grace that the deletion gives, which a second deletion may shorten."""
        running = [name for name, state in self._reporter.mains.items() if state.running_since]
        running += [name for name in self._runners if name in self._reporter.inits and self._is_process(name)]
        supervisor = self._supervisor
        if supervisor is None or not running:
            return
        for name in running:
            await self._reporter.event("Normal", "Killing", f"Stopping container {name}")
        exits = {name: asyncio.create_task(supervisor.wait(name)) for name in running}
        await self._end_processes(supervisor, exits)
        if self._reporter.gone:
            return
        events = [(name, exit_.result()) for name, exit_ in exits.items() if exit_.exception() is None]
        codes = [self._runners[name].record_exit(event) for name, event in events]
        self._reporter.force_phase("Failed" if any(codes) else "Succeeded")

    async def _end_processes(self, supervisor: SupervisorClient, exits: "dict[str, asyncio.Task[Json]]") -> None:
        """SIGTERM, again whenever the grace gets shorter, until all have ended or nobody cares."""
        pending: set[asyncio.Task[Any]] = set(exits.values())
        while pending and not self._reporter.gone:
            self._stop_changed.clear()
            for name in exits:
                try:
                    supervisor.stop(name, self._grace_s or 0.0)
                except SupervisorLostError as error:
                    log.debug("%s", error)
            changed = asyncio.create_task(self._stop_changed.wait())
            while pending and not changed.done():
                await asyncio.wait([*pending, changed], return_when=asyncio.FIRST_COMPLETED)
                pending = {task for task in pending if not task.done()}
            changed.cancel()
        for task in pending:
            task.cancel()

    def _is_process(self, init: str) -> bool:
        return self._reporter.inits[init].running_since is not None and init != k.WAIT_FOR_GCS


async def _settle(task: "asyncio.Task[None]") -> BaseException | None:
    """Wait for a task's end and log and return the error that it ended with, if it was not cancelled."""
    await asyncio.wait([task])
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.error("pod task failed: %r", error, exc_info=error)
    return error

"""The life of one pod on this machine, from its first status to its last."""

import asyncio
import logging

from mnist_kube.errors import ApiError
from mnist_kube.objects import Object, labels_of
from mnist_kube.resources import PODS
from mnist_kube.times import timestamp
from mnist_local.kuberay import names as k
from mnist_local.kuberay.kubelet import launch, volumes
from mnist_local.kuberay.kubelet.container_runner import ContainerRunner, until_listening
from mnist_local.kuberay.kubelet.launch import RayPlace
from mnist_local.kuberay.kubelet.network import NodeNetwork
from mnist_local.kuberay.kubelet.pod_status import HOST_IP, KubeletContext, PodReporter
from mnist_local.kuberay.kubelet.shim_client import ShimClient

_POLL_S = 0.1
_VOLUME_RETRY_S = 0.5
_TOKEN_RETRY_S = 5.0

log = logging.getLogger(__name__)


class PodWorker:
    """Runs one pod. `run` ends when the pod is finished or gone; `stop` and `kill` end it early."""

    def __init__(self, context: KubeletContext, pod: Object) -> None:
        self._context = context
        self._reporter = PodReporter(context, pod)
        self._folders = context.folders.pod(pod)
        self._shim: ShimClient | None = None
        self._runners: dict[str, ContainerRunner] = {}
        self._worker_node: NodeNetwork | None = None
        self._grace_s: float | None = None
        self._stopping = asyncio.Event()

    @property
    def shim_pid(self) -> int | None:
        return None if self._shim is None else self._shim.pid

    def update(self, pod: Object) -> None:
        """Take in a newer version of the object."""
        self._reporter.pod = pod

    def stop(self, grace_s: float) -> None:
        """End the pod as its deletion asks for: SIGTERM, SIGKILL after the grace period, then the object goes."""
        if self._grace_s is None or grace_s < self._grace_s:
            self._grace_s = grace_s
            if self._stopping.is_set() and self._shim is not None:
                self._shim.stop(grace_s)
            self._stopping.set()

    def kill(self) -> None:
        """End all processes at once and say nothing to the API: the object, or this controller, is going."""
        self._reporter.gone = True
        self.stop(0.0)

    async def run(self) -> None:
        publisher = asyncio.create_task(self._reporter.run())
        life = asyncio.create_task(self._live())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([life, stopping], return_when=asyncio.FIRST_COMPLETED)
            life.cancel()
            if await _settle(life) is not None:
                self._reporter.force_phase("Failed")
            if self._grace_s is not None:
                await self._wind_down(self._grace_s)
        finally:
            stopping.cancel()
            publisher.cancel()
            await _settle(publisher)
            await self._clean_up()
        await self._reporter.flush()
        if self._grace_s is not None:
            await self._reporter.retry(self._delete_object)

    async def _delete_object(self) -> None:
        pod = self._reporter.pod
        await self._context.api.delete(PODS.path_to(pod), pod["metadata"]["uid"], None, 0, missing_ok=True)

    async def _clean_up(self) -> None:
        if self._shim is not None:
            await self._shim.end()
        if self._worker_node is not None:
            self._context.places.network.release(self._worker_node)
        await asyncio.to_thread(self._folders.remove)

    # --- start -------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        pod = self._reporter.pod
        spec = pod["spec"]
        self._folders.make()
        label = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        environment = launch.shim_environment(self._context.machine)
        errors = self._context.folders.shim_errors
        shim = self._shim = await ShimClient.start(label, environment, errors)
        ray = self._place()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._set_up_volumes())
            refresh_s = group.create_task(self._write_token())
        self._reporter.pod_ip = ray.node.address if ray.node else HOST_IP
        for container in [*(spec.get("initContainers") or []), *spec["containers"]]:
            runner = ContainerRunner(self._context, self._reporter, shim, self._folders, ray, container)
            self._runners[runner.name] = runner
        keeper = asyncio.create_task(self._keep_token(refresh_s.result()))
        try:
            if await self._initialize(ray):
                await asyncio.gather(*(self._runners[c["name"]].run() for c in spec["containers"]))
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
            return RayPlace(None, place.node.at("gcs"), place.fallback_token)
        if labels.get(k.NODE_TYPE_LABEL) == k.HEAD:
            return RayPlace(place.node, place.node.at("gcs"), place.fallback_token)
        self._worker_node = self._context.places.network.allocate()
        return RayPlace(self._worker_node, place.node.at("gcs"), place.fallback_token)

    async def _set_up_volumes(self) -> None:
        while True:
            pod = self._reporter.pod
            try:
                volumes.set_up(pod, self._folders.volumes, await volumes.read_sources(self._context.api, pod))
            except volumes.MountError as error:
                await self._reporter.event("Warning", "FailedMount", str(error))
                await asyncio.sleep(_VOLUME_RETRY_S)
            else:
                return

    async def _write_token(self) -> float | None:
        """Seconds until the token wants to be renewed; None for a pod without one."""
        pod = self._reporter.pod
        if pod["spec"].get("automountServiceAccountToken") is False:
            return None
        while True:
            try:
                return await self._fetch_token()
            except ApiError as error:
                if volumes.service_account_of(pod) == "default":
                    log.info("pod %s runs without a token: %s", pod["metadata"]["name"], error)
                    return None  # a namespace just made; nothing here needs the default identity
                await self._reporter.event("Warning", "FailedMount", f"MountVolume.SetUp failed : {error.message}")
                await asyncio.sleep(_VOLUME_RETRY_S)

    async def _fetch_token(self) -> float:
        folder = self._folders.service_account
        return await volumes.write_service_account(self._context.api, self._reporter.pod, folder)

    async def _keep_token(self, refresh_s: float | None) -> None:
        while refresh_s is not None:
            await asyncio.sleep(refresh_s)
            try:
                refresh_s = await self._fetch_token()
            except (ApiError, OSError) as error:
                log.warning("token of pod %s was not renewed: %r", self._reporter.pod["metadata"]["name"], error)
                refresh_s = _TOKEN_RETRY_S

    async def _initialize(self, ray: RayPlace) -> bool:
        """Run the init containers one after the other; False when one has failed for good."""
        spec = self._reporter.pod["spec"]
        for container in spec.get("initContainers") or []:
            if container["name"] == k.WAIT_FOR_GCS and ray.node is not None:
                await self._wait_for_gcs(ray.gcs)
            elif await self._runners[container["name"]].run() != 0:
                return False
        for state in self._reporter.mains.values():
            self._reporter.set(state.wait("ContainerCreating"))
        return True

    async def _wait_for_gcs(self, gcs: str) -> None:
        """What the init container would do, without a Python and a Ray to start for it."""
        state = self._reporter.state(k.WAIT_FOR_GCS)
        self._reporter.set(state.run(timestamp(), ""))
        address, _, port = gcs.rpartition(":")
        await until_listening(address, int(port), _POLL_S)
        self._reporter.set(self._reporter.state(k.WAIT_FOR_GCS).end(0, None, timestamp()))

    # --- end ---------------------------------------------------------------------------------------------------

    async def _wind_down(self, grace_s: float) -> None:
        """End what runs, with the grace that the deletion gives; a second deletion may shorten it meanwhile."""
        states = [*self._reporter.inits.values(), *self._reporter.mains.values()]
        running = [state.name for state in states if state.is_running and state.name != k.WAIT_FOR_GCS]
        shim = self._shim
        if shim is None or not running or self._reporter.gone:
            return
        shim.stop(grace_s)
        for name in running:
            await self._reporter.event("Normal", "Killing", f"Stopping container {name}")
        exits = await asyncio.gather(*(shim.wait(name) for name in running), return_exceptions=True)
        codes = [
            self._runners[name].record_exit(event)
            for name, event in zip(running, exits, strict=True)
            if not isinstance(event, BaseException)
        ]
        self._reporter.force_phase("Failed" if any(codes) else "Succeeded")


async def _settle(task: "asyncio.Task[None]") -> BaseException | None:
    """Wait for a task's end and log and return the error that it ended with, if it was not cancelled."""
    await asyncio.wait([task])
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.error("pod task failed: %r", error, exc_info=error)
    return error

"""Puts the parts of the local KubeRay together and runs them."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path

import aiohttp

from mnist_local.kuberay import kubeconfig, leftovers
from mnist_local.kuberay.batch_controller import BatchController
from mnist_local.kuberay.cluster_controller import ClusterController
from mnist_local.kuberay.events import EventRecorder
from mnist_local.kuberay.json_types import Json
from mnist_local.kuberay.kubeapi import KubeApi
from mnist_local.kuberay.kubelet.context import KubeletContext
from mnist_local.kuberay.kubelet.folders import Folders
from mnist_local.kuberay.kubelet.kubelet import Kubelet
from mnist_local.kuberay.kubelet.launch import Machine
from mnist_local.kuberay.kubelet.network import Network
from mnist_local.kuberay.kubelet.places import Places
from mnist_local.kuberay.kubelet.starts import Starts, shared_folder
from mnist_local.kuberay.pod_factory import PodFactory
from mnist_local.kuberay.rayjob_controller import RayJobController
from mnist_local.kuberay.settings import Settings
from mnist_local.kuberay.stores import Stores
from mnist_local.pod import process_tree

_WORKERS = 4
_ORPHAN_CHECK_S = 2.0
_KUBECONFIG_CHECK_S = 1.0

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def _api(settings: Settings) -> AsyncIterator[KubeApi]:
    api = KubeApi(kubeconfig.load(settings.kubeconfig))
    try:
        yield api
    finally:
        await api.close()


def _install_stand_ins(folder: Path, ray: Path) -> None:
    """A `ray` that answers `ray job …` over plain HTTP at once, and leaves everything else to Ray's own command."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    script = folder / "ray"
    script.write_text(
        "#!/bin/sh\n"
        f'case "$1" in job) exec "{sys.executable}" -m mnist_local.pod.ray_job "{ray}" "$@" ;; esac\n'
        f'exec "{ray}" "$@"\n'
    )
    script.chmod(0o700)


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set; ends all pods on the way out."""
    process_tree.become_subreaper()
    leftovers.end_former(settings.work_dir)
    folders = Folders(settings.work_dir, settings.pod_log_dir)
    _install_stand_ins(folders.bin, settings.ray)
    try:
        async with _api(settings) as api, aiohttp.ClientSession() as http:
            await _serve(settings, api, http, folders, stop)
    finally:
        leftovers.Orphans().end(set())
        folders.close()


async def _serve(
    settings: Settings, api: KubeApi, http: aiohttp.ClientSession, folders: Folders, stop: asyncio.Event
) -> None:
    stores = Stores(api, settings.namespaces)
    places = Places(Network())
    context = KubeletContext(
        api=api,
        events=EventRecorder(api, "kubelet"),
        folders=folders,
        machine=Machine(api.connection.host, api.connection.port, folders.bin, settings.work_dir),
        places=places,
        http=http,
        starts=Starts(shared_folder(), settings.starts_at_once),
        cluster_of=stores.cluster_of,
        observe=stores.pods.observe,
    )
    kubelet = Kubelet(context)
    factory = PodFactory(api, stores.pods, EventRecorder(api, "default-scheduler"))
    clusters = ClusterController(api, stores, factory, EventRecorder(api, "raycluster-controller", series=True))
    jobs = BatchController(api, stores, factory, EventRecorder(api, "job-controller"))
    rayjobs = RayJobController(
        api, stores, places, http, EventRecorder(api, "rayjob-controller", series=True), settings.limits, settings.pace
    )
    stores.pods.subscribe(kubelet.on_pod)

    def forget(cluster: Json, deleted: bool) -> None:
        if deleted:
            _forget_later(places, cluster["metadata"]["uid"])

    stores.clusters.subscribe(forget)
    tasks = [
        asyncio.create_task(_keep_orphans_out(kubelet)),
        asyncio.create_task(_follow_kubeconfig(settings.kubeconfig, api)),
    ]
    for store in stores.all():
        tasks.append(asyncio.create_task(store.run()))
        await _unless(stop, store.synced())
    tasks += [asyncio.create_task(queue.run(_WORKERS)) for queue in (clusters.queue, jobs.queue, rayjobs.queue)]
    log.info("local KubeRay is serving")
    await stop.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await kubelet.close()


def _forget_later(places: Places, uid: str) -> None:
    """The address is free once the cluster's pods had their time to end."""
    asyncio.get_running_loop().call_later(60.0, places.forget, uid)


async def _unless(stop: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    waiting = asyncio.create_task(stop.wait())
    doing = asyncio.create_task(work)
    await asyncio.wait([waiting, doing], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    doing.cancel()


async def _follow_kubeconfig(path: Path, api: KubeApi) -> None:
    """An API server that is started anew writes another kubeconfig."""
    seen = _modified(path)
    while True:
        await asyncio.sleep(_KUBECONFIG_CHECK_S)
        if (now := _modified(path)) == seen or now is None:
            continue
        seen = now
        try:
            await api.reconnect(kubeconfig.load(path))
        except (kubeconfig.KubeconfigError, OSError) as error:
            log.warning("the new kubeconfig is not usable: %s", error)


def _modified(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


async def _keep_orphans_out(kubelet: Kubelet) -> None:
    """A supervisor that is killed from outside leaves its processes to us."""
    orphans = leftovers.Orphans()
    while True:
        await asyncio.sleep(_ORPHAN_CHECK_S)
        if count := orphans.end(kubelet.supervisor_pids()):
            log.warning("ended %d processes whose supervisor was gone", count)

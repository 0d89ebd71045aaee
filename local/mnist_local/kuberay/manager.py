"""Puts the parts of the local KubeRay together and runs them until told to stop."""

import asyncio
import logging
import sys
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from mnist_kube import kubeconfig
from mnist_kube.client import KubeApi
from mnist_kube.events import EventRecorder, Repeats
from mnist_kube.objects import Object
from mnist_local.kuberay.cluster_controller import ClusterController
from mnist_local.kuberay.controller import Stores
from mnist_local.kuberay.kubelet import leftovers
from mnist_local.kuberay.kubelet.folders import Folders
from mnist_local.kuberay.kubelet.kubelet import Kubelet
from mnist_local.kuberay.kubelet.launch import Machine
from mnist_local.kuberay.kubelet.network import Network, Places
from mnist_local.kuberay.kubelet.pod_status import KubeletContext
from mnist_local.kuberay.kubelet.starts import Starts, default_count, shared_folder
from mnist_local.kuberay.rayjob_controller import RayJobController
from mnist_local.kuberay.rayjob_status import Limits
from mnist_local.kuberay.submitter_jobs import JobController
from mnist_local.pod import process_tree

_ORPHAN_CHECK_S = 2.0
_ADDRESS_KEPT_S = 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """Where it works, and its limits."""

    kubeconfig: Path
    work_dir: Path
    pod_log_dir: Path
    ray: Path = field(default_factory=lambda: Path(sys.executable).parent / "ray")
    """Ray's command."""
    limits: Limits = field(default_factory=Limits)
    starts_at_once: int = field(default_factory=default_count)
    """Ray nodes that start at a time on this machine."""


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set; ends all pods on the way out."""
    process_tree.become_subreaper()
    leftovers.end_former(settings.work_dir)
    folders = Folders(settings.work_dir, settings.pod_log_dir)
    _install_stand_ins(folders.bin, settings.ray)
    try:
        connection = kubeconfig.load(settings.kubeconfig)
        async with KubeApi(connection, user_agent="local-kuberay") as api, aiohttp.ClientSession() as http:
            await _serve(settings, api, http, folders, stop)
    finally:
        leftovers.Orphans().end(set())
        folders.close()


async def _serve(
    settings: Settings, api: KubeApi, http: aiohttp.ClientSession, folders: Folders, stop: asyncio.Event
) -> None:
    stores, places = Stores(api), Places(Network())
    context = KubeletContext(
        api=api,
        events=EventRecorder(api, "kubelet", Repeats.COUNT),
        folders=folders,
        machine=Machine(api.connection.host, api.connection.port, folders.bin, settings.work_dir),
        places=places,
        http=http,
        starts=Starts(shared_folder(), settings.starts_at_once),
        cluster_of=stores.cluster_of,
        observe=stores.pods.observe,
    )
    kubelet = Kubelet(context)
    job_events = EventRecorder(api, "rayjob-controller", Repeats.SERIES)
    controllers = (
        ClusterController(api, stores, EventRecorder(api, "raycluster-controller", Repeats.SERIES)),
        JobController(api, stores, EventRecorder(api, "job-controller", Repeats.COUNT)),
        RayJobController(api, stores, places, http, job_events, settings.limits),
    )
    stores.pods.on_change(kubelet.on_pod)
    stores.clusters.on_change(lambda cluster, deleted: _forget_later(places, cluster) if deleted else None)
    tasks = [asyncio.create_task(_keep_orphans_out(kubelet))]
    for store in stores.all():
        tasks.append(asyncio.create_task(store.run()))
        await _unless(stop, store.synced.wait())
    tasks += [asyncio.create_task(controller.run()) for controller in controllers]
    log.info("local KubeRay is serving")
    await stop.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await kubelet.close()


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


def _forget_later(places: Places, cluster: Object) -> None:
    """The address is free once the cluster's pods had their time to end."""
    asyncio.get_running_loop().call_later(_ADDRESS_KEPT_S, places.forget, cluster["metadata"]["uid"])


async def _unless(stop: asyncio.Event, work: Awaitable[object]) -> None:
    waiting, doing = asyncio.create_task(stop.wait()), asyncio.ensure_future(work)
    await asyncio.wait([waiting, doing], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    doing.cancel()


async def _keep_orphans_out(kubelet: Kubelet) -> None:
    """A shim that is killed from outside leaves its processes to us."""
    orphans = leftovers.Orphans()
    while True:
        await asyncio.sleep(_ORPHAN_CHECK_S)
        if count := orphans.end(kubelet.shim_pids()):
            log.warning("ended %d processes whose shim was gone", count)

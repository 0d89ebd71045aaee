"""What every pod on this machine shares."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

from mnist_local.kuberay.events import EventRecorder
from mnist_local.kuberay.json_types import Json
from mnist_local.kuberay.kubeapi import CONFIGMAPS, SECRETS, KubeApi
from mnist_local.kuberay.kubelet import environment, volumes
from mnist_local.kuberay.kubelet.environment import Sources
from mnist_local.kuberay.kubelet.folders import Folders
from mnist_local.kuberay.kubelet.launch import Machine
from mnist_local.kuberay.kubelet.places import Places
from mnist_local.kuberay.kubelet.starts import Starts


@dataclass
class KubeletContext:
    """API, folders, network and the cluster that a pod belongs to."""

    api: KubeApi
    events: EventRecorder
    folders: Folders
    machine: Machine
    places: Places
    http: aiohttp.ClientSession
    starts: Starts
    cluster_of: Callable[[Json], Json | None]
    """RayCluster that a pod is a node of, or that it submits to; None for neither."""
    observe: Callable[[Json], None] = field(default=lambda _: None)
    """Told of every pod that was written."""

    async def sources(self, pod: Json) -> Sources:
        """All Secrets and ConfigMaps that the pod refers to and that exist."""
        wanted = set(volumes.references(pod))
        for container in [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]:
            wanted |= set(environment.references(container))
        namespace = pod["metadata"]["namespace"]
        order = sorted(wanted)
        resources = {"secret": SECRETS, "configmap": CONFIGMAPS}
        found = await asyncio.gather(*(self.api.find(resources[kind], namespace, name) for kind, name in order))
        existing = [(kind, name, obj) for (kind, name), obj in zip(order, found, strict=True) if obj is not None]
        return Sources(
            secrets={name: obj for kind, name, obj in existing if kind == "secret"},
            config_maps={name: obj for kind, name, obj in existing if kind == "configmap"},
        )

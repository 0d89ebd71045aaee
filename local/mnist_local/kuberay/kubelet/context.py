"""What every pod on this machine shares."""

from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from mnist_kube.client import KubeApi
from mnist_kube.events import EventRecorder
from mnist_kube.objects import Object
from mnist_local.kuberay.kubelet.folders import Folders
from mnist_local.kuberay.kubelet.launch import Machine
from mnist_local.kuberay.kubelet.network import Places
from mnist_local.kuberay.kubelet.starts import Starts


@dataclass
class KubeletContext:
    """API, folders, network, turns to start, and the cluster that a pod belongs to."""

    api: KubeApi
    events: EventRecorder
    folders: Folders
    machine: Machine
    places: Places
    http: aiohttp.ClientSession
    starts: Starts
    cluster_of: Callable[[Object], Object | None]
    """RayCluster that a pod is a node of, or that it submits to; None for neither."""
    observe: Callable[[Object], None]
    """Told of every pod that was written."""

"""Where each RayCluster's head is on this machine, kept for as long as the RayCluster lives.

A new head pod of the same cluster gets the same address, as behind its Service, so that workers of the old head find
the new one, learn that it does not know them, and end.
"""

import secrets
from dataclasses import dataclass, field

from mnist_local.kuberay import constants as k
from mnist_local.kuberay import names
from mnist_local.kuberay.json_types import Json
from mnist_local.kuberay.kubelet import services
from mnist_local.kuberay.kubelet.network import Network, NodeNetwork


@dataclass
class ClusterPlace:
    """The head's network, and a token for clusters that ask for no authentication."""

    node: NodeNetwork
    namespace: str
    service: str
    fallback_token: str = field(repr=False)

    @property
    def gcs(self) -> str:
        """address:port of the cluster's GCS."""
        return f"{self.node.address}:{self.node.gcs}"

    @property
    def dashboard(self) -> str:
        """address:port of the cluster's dashboard."""
        return f"{self.node.address}:{self.node.dashboard}"


class Places:
    """The places of all clusters, by uid."""

    def __init__(self, network: Network) -> None:
        """`network` also serves the workers."""
        self.network = network
        self._places: dict[str, ClusterPlace] = {}

    def of(self, cluster: Json) -> ClusterPlace:
        """The place of a cluster, made at its first use."""
        uid = cluster["metadata"]["uid"]
        if uid not in self._places:
            node = self.network.allocate(dashboard_port=k.PORTS["dashboard"])
            namespace, service = cluster["metadata"]["namespace"], names.head_service(cluster)
            self._places[uid] = ClusterPlace(node, namespace, service, secrets.token_urlsafe(32))
        return self._places[uid]

    def find(self, uid: str) -> ClusterPlace | None:
        """The place of a cluster that has one."""
        return self._places.get(uid)

    def forget(self, uid: str) -> None:
        """The cluster and its pods are gone."""
        if place := self._places.pop(uid, None):
            self.network.release(place.node)

    def endpoints(self) -> dict[tuple[str, str, int], str]:
        """Addresses of all head Services."""
        found: dict[tuple[str, str, int], str] = {}
        for place in self._places.values():
            found |= services.head_endpoints(place.namespace, place.service, place.node)
        return found

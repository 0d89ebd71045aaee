"""Loopback addresses and ports of Ray nodes, and where each cluster's head is.

Each node has an address of its own (127.0.0.1 itself is rewritten by Ray to the machine's outward address). Several of
Ray's servers listen on all interfaces whatever they are told, so their ports are unique on the machine. They are taken
from below the range that the system hands out for outgoing connections and above Ray's own range for workers.

A cluster's head keeps its address for as long as the RayCluster lives, as behind its Service: workers of an old head
find the new one, learn that it does not know them, and end. There is no DNS, so the name of a head's Service in
commands and variables is replaced by that address.
"""

import random
import re
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from mnist_kube.objects import Object
from mnist_local.kuberay import names as k

_FIRST_PORT, _LAST_PORT = 20000, 31999
_ATTEMPTS = 2000
_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_ENDPOINT = re.compile(rf"\b({_LABEL})\.({_LABEL})\.svc(?:\.cluster\.local)?:(\d+)\b")

Endpoints = Mapping[tuple[str, str, int], str]
"""address:port on this machine by (namespace, service, port)."""


class NoFreePortError(RuntimeError):
    """No port or address could be found."""


_NODE_PORTS = (
    "gcs", "dashboard", "client", "raylet", "dashboard_agent", "dashboard_agent_grpc", "runtime_env_agent", "metrics",
    "autoscaler_metrics", "dashboard_metrics",
)  # fmt: skip


@dataclass(frozen=True)
class NodeNetwork:
    """Where one Ray node listens: its address, and its ports by their names in _NODE_PORTS."""

    address: str
    ports: Mapping[str, int]

    def at(self, name: str) -> str:
        return f"{self.address}:{self.ports[name]}"


def is_free(address: str, port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)  # REUSEADDR lets a bind beside a listener succeed; listening does not
        except OSError:
            return False
    return True


class Network:
    """Hands out networks and takes them back; what it handed out is never handed out twice at a time."""

    def __init__(self) -> None:
        self._ports: set[int] = set()
        self._addresses: set[str] = set()

    def allocate(self, dashboard_port: int | None = None) -> NodeNetwork:
        """Return a network for one node, its dashboard on `dashboard_port` where that is free on its address."""
        address = self._address()
        ports = {name: self._port() for name in _NODE_PORTS}
        if dashboard_port and is_free(address, dashboard_port):
            ports["dashboard"] = dashboard_port
        return NodeNetwork(address, ports)

    def release(self, network: NodeNetwork) -> None:
        self._ports -= set(network.ports.values())
        self._addresses.discard(network.address)

    def _address(self) -> str:
        for _ in range(_ATTEMPTS):
            address = f"127.{random.randint(64, 126)}.{random.randint(1, 254)}.{random.randint(2, 254)}"
            if address not in self._addresses and is_free(address, 0):
                self._addresses.add(address)
                return address
        raise NoFreePortError("no address of 127.0.0.0/8 beside 127.0.0.1 is usable: that takes Linux")

    def _port(self) -> int:
        for _ in range(_ATTEMPTS):
            port = random.randint(_FIRST_PORT, _LAST_PORT)
            if port not in self._ports and is_free("", port):
                self._ports.add(port)
                return port
        raise NoFreePortError(f"no free port between {_FIRST_PORT} and {_LAST_PORT}")


# --- heads -----------------------------------------------------------------------------------------------------------


@dataclass
class Place:
    """A head's network, and a token for clusters that ask for no authentication."""

    node: NodeNetwork
    namespace: str
    service: str
    fallback_token: str = field(repr=False)


class Places:
    """The places of all clusters, by uid; workers get their networks from the same `network`."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._places: dict[str, Place] = {}

    def of(self, cluster: Object) -> Place:
        """Return the place of a cluster, made at its first use."""
        uid = cluster["metadata"]["uid"]
        if uid not in self._places:
            node = self.network.allocate(dashboard_port=k.PORTS["dashboard"])
            namespace, service = cluster["metadata"]["namespace"], k.head_service(cluster)
            self._places[uid] = Place(node, namespace, service, secrets.token_urlsafe(32))
        return self._places[uid]

    def forget(self, uid: str) -> None:
        """The cluster and its pods are gone."""
        if place := self._places.pop(uid, None):
            self.network.release(place.node)

    def endpoints(self) -> Endpoints:
        found: dict[tuple[str, str, int], str] = {}
        for place in self._places.values():
            for name, port in (("gcs-server", "gcs"), ("dashboard", "dashboard"), ("client", "client")):
                found[place.namespace, place.service, k.PORTS[name]] = place.node.at(port)
        return found


def localized(text: str, endpoints: Endpoints) -> str:
    """Return the text with every known `service.namespace.svc[.cluster.local]:port` replaced by its address."""

    def replace(match: re.Match[str]) -> str:
        key = (match.group(2), match.group(1), int(match.group(3)))
        return endpoints.get(key, match.group(0))

    return _ENDPOINT.sub(replace, text)

"""Loopback addresses and ports of Ray nodes.

Each node has an address of its own (127.0.0.1 itself is rewritten by Ray to the machine's outward address). Several of
Ray's servers listen on all interfaces whatever they are told, so their ports are unique on the machine. They are taken
from below the range that the system hands out for outgoing connections and above Ray's own range for workers.
"""

import random
import socket
import sys
from dataclasses import dataclass

_FIRST_PORT, _LAST_PORT = 20000, 31999
_ATTEMPTS = 2000


class NoFreePortError(RuntimeError):
    """No port or address could be found."""


@dataclass(frozen=True)
class NodeNetwork:
    """Where one Ray node listens. `gcs`, `dashboard`, `client` and the last two are used by a head only."""

    address: str
    gcs: int
    dashboard: int
    client: int
    raylet: int
    dashboard_agent: int
    dashboard_agent_grpc: int
    runtime_env_agent: int
    metrics: int
    autoscaler_metrics: int
    dashboard_metrics: int

    @property
    def ports(self) -> frozenset[int]:
        """All ports of the node that are unique on the machine."""
        shared = (self.autoscaler_metrics, self.dashboard_metrics)
        agents = (self.dashboard_agent, self.dashboard_agent_grpc, self.runtime_env_agent)
        return frozenset((self.gcs, self.client, self.raylet, *agents, self.metrics, *shared))


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


def is_listening(address: str, port: int, timeout_s: float = 0.2) -> bool:
    """Whether something accepts connections there."""
    try:
        with socket.create_connection((address, port), timeout=timeout_s):
            return True
    except OSError:
        return False


class Network:
    """Hands out networks and takes them back; what it handed out is never handed out twice at a time."""

    def __init__(self, seed: int | None = None) -> None:
        """`seed` makes the choices repeatable."""
        self._random = random.Random(seed)
        self._ports: set[int] = set()
        self._addresses: set[str] = set()

    def allocate(self, dashboard_port: int | None = None) -> NodeNetwork:
        """A network for one node; `dashboard_port` is the wished-for port of a head's dashboard on its address."""
        address = self._address()
        dashboard = dashboard_port if dashboard_port and is_free(address, dashboard_port) else None
        return NodeNetwork(
            address=address,
            gcs=self._port(),
            dashboard=dashboard or self._port(),
            client=self._port(),
            raylet=self._port(),
            dashboard_agent=self._port(),
            dashboard_agent_grpc=self._port(),
            runtime_env_agent=self._port(),
            metrics=self._port(),
            autoscaler_metrics=self._port(),
            dashboard_metrics=self._port(),
        )

    def release(self, network: NodeNetwork) -> None:
        """Give a network back."""
        self._ports -= network.ports | {network.dashboard}
        self._addresses.discard(network.address)

    def _address(self) -> str:
        if not sys.platform.startswith("linux"):
            # Only Linux answers on all of 127.0.0.0/8; elsewhere the aliases must have been made before.
            candidates = [f"127.0.0.{last}" for last in range(2, 255)]
        else:
            pick = self._random.randint
            candidates = [f"127.{pick(64, 126)}.{pick(1, 254)}.{pick(2, 254)}" for _ in range(64)]
        for address in candidates:
            if address not in self._addresses and is_free(address, 0):
                self._addresses.add(address)
                return address
        raise NoFreePortError("no loopback address beside 127.0.0.1 is usable (macOS: `ifconfig lo0 alias 127.0.0.2`)")

    def _port(self) -> int:
        for _ in range(_ATTEMPTS):
            port = self._random.randint(_FIRST_PORT, _LAST_PORT)
            if port not in self._ports and is_free("", port):
                self._ports.add(port)
                return port
        raise NoFreePortError(f"no free port between {_FIRST_PORT} and {_LAST_PORT}")

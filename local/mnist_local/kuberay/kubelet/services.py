"""Stand-in for cluster DNS: head Service names in commands and variables become the address of the head."""

import re
from collections.abc import Mapping

from mnist_local.kuberay import constants as k
from mnist_local.kuberay.kubelet.network import NodeNetwork

_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_ENDPOINT = re.compile(rf"\b({_LABEL})\.({_LABEL})\.svc(?:\.cluster\.local)?:(\d+)\b")

Endpoints = Mapping[tuple[str, str, int], str]
"""address:port on this machine by (namespace, service, port)."""


def localized(text: str, endpoints: Endpoints) -> str:
    """The text with every known `service.namespace.svc[.cluster.local]:port` replaced."""

    def replace(match: re.Match[str]) -> str:
        key = (match.group(2), match.group(1), int(match.group(3)))
        return endpoints.get(key, match.group(0))

    return _ENDPOINT.sub(replace, text)


def head_endpoints(namespace: str, service: str, node: NodeNetwork) -> dict[tuple[str, str, int], str]:
    """Endpoints of one cluster's head Service."""
    ports = {"gcs-server": node.gcs, "dashboard": node.dashboard, "client": node.client}
    return {(namespace, service, k.PORTS[name]): f"{node.address}:{port}" for name, port in ports.items()}

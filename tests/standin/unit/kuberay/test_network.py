"""Addresses, ports and folders of pods."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.standin.unit.kuberay.builders import cluster

from mnist_local.kuberay import names as k
from mnist_local.kuberay.kubelet.folders import Folders
from mnist_local.kuberay.kubelet.network import Network, Places, is_free


def test_nodes_share_nothing() -> None:
    network = Network()
    nodes = [network.allocate(dashboard_port=8265) for _ in range(8)]
    assert len({node.address for node in nodes}) == 8
    ports = [port for node in nodes for name, port in node.ports.items() if name != "dashboard"]
    assert len(set(ports)) == len(ports) == 8 * 9
    assert all(20000 <= port < 32000 for port in ports)
    assert "127.0.0.1" not in {node.address for node in nodes}


def test_taken_ports_are_seen() -> None:
    with socket.create_server(("127.77.1.2", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free("127.77.1.2", port)


def test_head_keeps_its_place_until_its_cluster_is_forgotten() -> None:
    places = Places(Network())
    instance = cluster()
    place = places.of(instance)
    assert places.of(instance) is place
    assert places.endpoints()["ns", "demo-head-svc", k.PORTS["gcs-server"]] == place.node.at("gcs")
    assert place.fallback_token not in repr(place)
    places.forget("cluster-uid")
    assert places.endpoints() == {}


def test_socket_folders_are_short_however_long_the_working_folder_is(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    folders = Folders(deep, tmp_path / "logs")
    pod = {"metadata": {"uid": "123e4567-e89b-12d3-a456-426614174000", "name": "p", "namespace": "ns"}}
    made = folders.pod(pod)
    made.make()
    assert len(str(made.ray)) <= 39
    assert len(str(made.temporary)) <= 39
    assert made.home.stat().st_mode & 0o077 == 0
    assert folders.log(pod, "c") == tmp_path / "logs" / f"ns_p_{pod['metadata']['uid']}" / "c" / "0.log"
    made.remove()
    assert not made.root.exists()
    assert not made.short.exists()
    folders.close()
    assert not made.short.parent.exists()


def test_folders_of_a_killed_predecessor_are_removed(tmp_path: Path) -> None:
    first = Folders(tmp_path / "w", tmp_path / "logs")
    first.bin.mkdir()
    left = first.bin.parent
    second = Folders(tmp_path / "w", tmp_path / "logs")
    assert not left.exists()
    second.close()

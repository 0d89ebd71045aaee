"""A container's environment, volumes and addresses, as the kubelet would give them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mnist_local.kuberay.kubelet import network, volumes
from mnist_local.kuberay.kubelet.volumes import ContainerConfigError, Sources

POD = {
    "metadata": {"name": "p", "namespace": "ns", "uid": "u", "labels": {"ray.io/group": "workers"}},
    "spec": {"serviceAccountName": "runner"},
}
SECRET = {"KEY": b"value"}


def _resolve(container: dict[str, Any], **sources: Any) -> dict[str, str]:
    return volumes.resolve(container, POD, "127.9.9.9", Sources(**sources))


def test_env_wins_over_env_from_and_may_refer_to_it() -> None:
    container = {
        "envFrom": [{"secretRef": {"name": "s"}}, {"configMapRef": {"name": "c"}, "prefix": "P_"}],
        "env": [{"name": "KEY", "value": "own"}, {"name": "B", "value": "<$(P_A)|$(KEY)|$(NONE)|$$(KEY)>"}],
    }
    env = _resolve(container, secrets={"s": SECRET}, config_maps={"c": {"A": b"1"}})
    assert env == {"KEY": "own", "P_A": "1", "B": "<1|own|$(NONE)|$(KEY)>"}


def test_fields() -> None:
    paths = {
        "NAME": "metadata.name",
        "NS": "metadata.namespace",
        "IP": "status.podIP",
        "GROUP": "metadata.labels['ray.io/group']",
        "SA": "spec.serviceAccountName",
    }
    env = [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in paths.items()]
    assert _resolve({"env": env}) == {"NAME": "p", "NS": "ns", "IP": "127.9.9.9", "GROUP": "workers", "SA": "runner"}


def _key(name: str, key: str, **more: Any) -> dict[str, Any]:
    return {"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": name, "key": key, **more}}}]}


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"envFrom": [{"secretRef": {"name": "gone"}}]}, 'secret "gone" not found'),
        ({"envFrom": [{"configMapRef": {"name": "gone"}}]}, 'configmap "gone" not found'),
        (_key("gone", "KEY"), 'secret "gone" not found'),
        (_key("s", "OTHER"), "couldn't find key OTHER in Secret ns/s"),
    ],
)
def test_what_is_missing_is_named_in_the_kubelets_words(container: dict[str, Any], message: str) -> None:
    with pytest.raises(ContainerConfigError) as error:
        _resolve(container, secrets={"s": SECRET})
    assert str(error.value) == message


@pytest.mark.parametrize("container", [_key("gone", "KEY", optional=True), _key("s", "OTHER", optional=True)])
def test_optional_may_be_missing(container: dict[str, Any]) -> None:
    assert _resolve(container, secrets={"s": SECRET}) == {}


def _pod_with(*sources: dict[str, Any]) -> dict[str, Any]:
    return {**POD, "spec": {"volumes": [{"name": f"v{n}", **source} for n, source in enumerate(sources)]}}


def test_volumes_become_private_folders(tmp_path: Path) -> None:
    pod = _pod_with(
        {"emptyDir": {}},
        {"secret": {"secretName": "s", "items": [{"key": "KEY", "path": "deep/file"}]}},
        {"configMap": {"name": "c"}},
    )
    volumes.set_up(pod, tmp_path, Sources({"s": SECRET}, {"c": {"a": b"1"}}))
    assert list((tmp_path / "v0").iterdir()) == []
    secret = tmp_path / "v1" / "deep" / "file"
    assert secret.read_bytes() == b"value"
    assert secret.stat().st_mode & 0o077 == 0
    assert (tmp_path / "v2" / "a").read_text() == "1"


def test_missing_secret_keeps_the_volume_from_being_set_up(tmp_path: Path) -> None:
    with pytest.raises(volumes.MountError, match=r'MountVolume\.SetUp failed for volume "v0" : secret "s" not found'):
        volumes.set_up(_pod_with({"secret": {"secretName": "s"}}), tmp_path, Sources())
    volumes.set_up(_pod_with({"secret": {"secretName": "s", "optional": True}}), tmp_path, Sources())


@pytest.mark.parametrize(
    ("value", "expected"),
    [("/tmp", "/pod/v/tmp"), ("/tmp/x", "/pod/v/tmp/x"), ("/tmpx", "/tmpx"), ("/tmp/deep/y", "/pod/v/d/y"), ("a", "a")],
)
def test_values_under_a_mount_path_follow_the_volume(value: str, expected: str) -> None:
    container = {"volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, {"name": "d", "mountPath": "/tmp/deep"}]}
    mounted = volumes.mounts(container, Path("/pod/v"))
    assert volumes.translated(value, mounted) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://demo-head-svc.ns.svc.cluster.local:8265/api", "http://127.1.2.3:8265/api"),
        ("--address=demo-head-svc.ns.svc:6379 x", "--address=127.1.2.3:20001 x"),
        ("other-head-svc.ns.svc.cluster.local:8265", "other-head-svc.ns.svc.cluster.local:8265"),
        ("demo-head-svc.ns2.svc.cluster.local:8265", "demo-head-svc.ns2.svc.cluster.local:8265"),
        ("demo-head-svc.ns.svc.cluster.local:9", "demo-head-svc.ns.svc.cluster.local:9"),
    ],
)
def test_service_names_become_addresses(text: str, expected: str) -> None:
    endpoints = {("ns", "demo-head-svc", 8265): "127.1.2.3:8265", ("ns", "demo-head-svc", 6379): "127.1.2.3:20001"}
    assert network.localized(text, endpoints) == expected

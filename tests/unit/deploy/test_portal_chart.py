"""The portal in the chart: off unless asked for, and then a pod that may do nothing of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import helm_python
import pytest
from tests.support.manifests import of_kind, pod_specs

from mnist_portal.settings import Mode, Settings, check, from_env

Render = Callable[..., list[Any]]
NAME = "mnist-operator-portal"


def portal(render: Render, **values: Any) -> list[Any]:
    made = render({"portal": {"enabled": True, "hosts": ["portal.example.org"], **values}})
    return [one for one in made if one["metadata"]["labels"].get("app.kubernetes.io/component") == "portal"]


def header(render: Render, **auth: Any) -> list[Any]:
    return portal(render, auth={"mode": "header", "proxySecret": "proxy", **auth})


def spec_of(objects: list[Any]) -> Any:
    return dict(pod_specs(objects))[f"Deployment/{NAME}"]


def environment(objects: list[Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in spec_of(objects)["containers"][0]["env"]}


def test_it_is_off_by_default(render: Render) -> None:
    assert not [one for one in render() if "portal" in one["metadata"]["name"]]


def test_its_pod_has_no_token_and_no_role(render: Render) -> None:
    objects = portal(render)
    assert spec_of(objects)["automountServiceAccountToken"] is False
    assert of_kind(objects, "ServiceAccount", NAME)[0]["automountServiceAccountToken"] is False
    bound = [
        subject
        for one in render({"portal": {"enabled": True, "hosts": ["portal.example.org"]}})
        if one["kind"].endswith("RoleBinding")
        for subject in one["subjects"]
    ]
    assert NAME not in {subject["name"] for subject in bound}
    volumes = spec_of(objects)["volumes"]
    assert [min(set(volume) - {"name"}) for volume in volumes] == ["emptyDir", "configMap"]


def test_what_it_is_told_is_what_it_reads(render: Render) -> None:
    env = environment(portal(render, namespaces=["a", "b"], stores=["minio"], sessionSeconds=600, logLevel="DEBUG"))
    settings = from_env(env)
    check(settings)
    assert settings.mode is Mode.TOKEN
    assert (settings.hosts, settings.namespaces, settings.stores) == (("portal.example.org",), ("a", "b"), ("minio",))
    assert (settings.session_seconds, settings.log_level, settings.secure) == (600, "DEBUG", True)
    mounts = {mount["mountPath"] for mount in spec_of(portal(render))["containers"][0]["volumeMounts"]}
    assert str(Settings.api_ca_file.parent) in mounts


def test_every_variable_is_one_that_it_knows(render: Render) -> None:
    source = (Path(__file__).parents[3] / "portal" / "mnist_portal" / "settings.py").read_text()
    for objects in (portal(render, namespaces=["a"], stores=["b"]), header(render)):
        for name in environment(objects):
            assert f'"{name.removeprefix("MNIST_PORTAL_")}"' in source, name


def test_behind_a_trusted_proxy_it_may_impersonate_those_who_are_named_and_nobody_else(render: Render) -> None:
    objects = header(render, impersonateUsers=["ada", "bob"], impersonateGroups=["ml"])
    rules = of_kind(objects, "ClusterRole")[0]["rules"]
    assert rules == [
        {"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"], "resourceNames": ["ada", "bob"]},
        {"apiGroups": [""], "resources": ["groups"], "verbs": ["impersonate"], "resourceNames": ["ml"]},
    ]
    assert of_kind(header(render), "ClusterRole") == []
    assert spec_of(objects)["automountServiceAccountToken"] is True
    file = from_env(environment(objects)).proxy_secret_file
    assert str(file) == "/etc/mnist-portal/proxy/secret"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"enabled": True}, "portal.hosts is empty"),
        ({"enabled": True, "hosts": ["p"], "auth": {"mode": "header"}}, "portal.auth.proxySecret"),
    ],
)
def test_what_would_be_unsafe_is_not_rendered(render: Render, values: dict[str, Any], why: str) -> None:
    with pytest.raises(helm_python.HelmError, match=why):
        render({"portal": values})


def test_it_is_reached_by_ingress_or_gateway_under_its_names(render: Render) -> None:
    objects = portal(
        render, hosts=["portal.example.org:8443"], ingress={"enabled": True, "tlsSecret": "tls"},
        gateway={"enabled": True, "parentRefs": [{"name": "gate"}]},
    )  # fmt: skip
    ingress = of_kind(objects, "Ingress")[0]["spec"]
    assert ingress["rules"][0]["host"] == "portal.example.org"
    assert ingress["tls"] == [{"secretName": "tls", "hosts": ["portal.example.org"]}]
    route = of_kind(objects, "HTTPRoute")[0]["spec"]
    assert (route["hostnames"], route["parentRefs"]) == (["portal.example.org"], [{"name": "gate"}])


def test_the_network_lets_it_reach_the_api_and_stores_alone(render: Render) -> None:
    policy = of_kind(portal(render, networkPolicy={"egress": True, "storePorts": [9000]}), "NetworkPolicy")[0]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    ports = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    assert ports == {53, 443, 6443, 9000}


def test_ray_dashboards_have_a_name_of_their_own(render: Render) -> None:
    objects = portal(render, rayDashboards={"host": "ray.example.org"}, ingress={"enabled": True})
    settings = from_env(environment(objects))
    assert (settings.ray_port, settings.ray_url) == (8082, "https://ray.example.org")
    rules = of_kind(objects, "Ingress")[0]["spec"]["rules"]
    ports = {rule["host"]: rule["http"]["paths"][0]["backend"]["service"]["port"]["name"] for rule in rules}
    assert ports == {"portal.example.org": "http", "ray.example.org": "ray"}
    assert "MNIST_PORTAL_RAY_PORT" not in environment(portal(render))

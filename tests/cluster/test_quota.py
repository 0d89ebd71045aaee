"""ResourceQuotas: what a namespace may hold, and in which words more is refused."""

from typing import Any

import pytest
from tests.support.cluster import Cluster
from tests.support.wait import wait_for

QUOTA = "limited"


def limit(cluster: Cluster, namespace: str, hard: dict[str, str]) -> str:
    """Make a quota and wait until it counts. Return its path."""
    quota = {"metadata": {"name": QUOTA}, "spec": {"hard": hard}}
    cluster.expect(201, "POST", cluster.core(namespace, "resourcequotas"), quota)
    path = cluster.core(namespace, "resourcequotas", QUOTA)
    wait_for(lambda: "used" in (cluster.request("GET", path).body.get("status") or {}), "the quota to be counted", 30)
    return path


def pod(name: str, **resources: Any) -> dict[str, Any]:
    container = {"name": "c", "image": "none", "resources": resources}
    return {"metadata": {"name": name}, "spec": {"containers": [container]}}


def test_one_secret_too_many(cluster: Cluster, namespace: str) -> None:
    path = limit(cluster, namespace, {"secrets": "1"})
    secrets = cluster.core(namespace, "secrets")
    cluster.expect(201, "POST", secrets, {"metadata": {"name": "a"}})
    refused = cluster.expect(403, "POST", secrets, {"metadata": {"name": "b"}}).body
    why = f"exceeded quota: {QUOTA}, requested: secrets=1, used: secrets=1, limited: secrets=1"
    assert refused["message"] == f'secrets "b" is forbidden: {why}'
    assert refused["reason"] == "Forbidden"
    status = cluster.request("GET", path).body["status"]
    assert status == {"hard": {"secrets": "1"}, "used": {"secrets": "1"}}
    cluster.expect(200, "DELETE", f"{secrets}/a")
    wait_for(
        lambda: cluster.request("POST", secrets, {"metadata": {"name": "b"}}).status == 201, "there to be room", 30
    )


def test_custom_resources_are_counted_by_their_full_name(cluster: Cluster, namespace: str) -> None:
    limit(cluster, namespace, {f"count/widgets.{cluster.widget_group}": "1"})
    cluster.expect(201, "POST", cluster.widgets(namespace), cluster.widget("a"))
    refused = cluster.expect(403, "POST", cluster.widgets(namespace), cluster.widget("b")).body
    assert f"exceeded quota: {QUOTA}, requested: count/widgets.{cluster.widget_group}=1" in refused["message"]


@pytest.mark.parametrize("dry_run", ["", "?dryRun=All"])
def test_pods_are_charged_for_what_they_ask(cluster: Cluster, namespace: str, dry_run: str) -> None:
    limit(cluster, namespace, {"requests.cpu": "1", "limits.memory": "1Gi"})
    pods = cluster.core(namespace, "pods") + dry_run
    silent = cluster.expect(403, "POST", pods, pod("silent", requests={"cpu": "1"})).body
    assert silent["message"] == (
        f'pods "silent" is forbidden: failed quota: {QUOTA}: must specify limits.memory for: c'
    )
    greedy = pod("greedy", requests={"cpu": "1500m"}, limits={"memory": "2Gi"})
    refused = cluster.expect(403, "POST", pods, greedy).body
    assert refused["message"] == (
        f'pods "greedy" is forbidden: exceeded quota: {QUOTA}, requested: limits.memory=2Gi,requests.cpu=1500m, '
        "used: limits.memory=0,requests.cpu=0, limited: limits.memory=1Gi,requests.cpu=1"
    )
    cluster.expect(201, "POST", pods, pod("modest", requests={"cpu": "1"}, limits={"memory": "512Mi"}))

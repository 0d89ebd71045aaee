"""The objects made from a RayCluster are those that a real KubeRay 1.7 made from the same one."""

from __future__ import annotations

import base64
import re
from typing import Any

from tests.standin.unit.kuberay.builders import cluster
from tests.standin.unit.kuberay.recordings import objects as recorded

from mnist_local.kuberay import children, pods

# Written by the API server or by scheduler and admission, or in words of our own.
FOREIGN = re.compile(
    r"uid|resourceVersion|creationTimestamp|generation|/name$|managedFields|imagePullPolicy|terminationMessage"
    r"|/(dnsPolicy|enableServiceLinks|nodeName|preemptionPolicy|priority|schedulerName|serviceAccount|tolerations"
    r"|terminationGracePeriodSeconds|clusterIPs|internalTrafficPolicy|ipFamilies|ipFamilyPolicy|sessionAffinity"
    r"|completionMode|completions|manualSelector|parallelism|podReplacementPolicy|suspend)\b"
    r"|kube-api-access|upgrade-strategy-recreate-hash|/spec/selector/matchLabels|job-name|controller-uid"
    r"|wait-gcs-ready/args|submitter/args"
)


def _differences(ours: Any, theirs: Any, path: str = "") -> list[str]:
    if FOREIGN.search(path) or (not ours and not theirs):
        return []
    if isinstance(ours or {}, dict) and isinstance(theirs or {}, dict):
        ours, theirs = ours or {}, theirs or {}
        keys = sorted({*ours, *theirs})
        return [line for key in keys for line in _differences(ours.get(key), theirs.get(key), f"{path}/{key}")]
    if isinstance(ours, list) and isinstance(theirs, list):
        if all(isinstance(item, dict) and "name" in item for item in [*ours, *theirs]):
            by_name = [{item["name"]: item for item in items} for items in (ours, theirs)]
            order = [[name for name in items if not FOREIGN.search(name)] for items in by_name]
            found = [] if order[0] == order[1] else [f"{path}: order {order[0]} != {order[1]}"]
            return found + _differences(*by_name, path)
        if len(ours) == len(theirs):
            pairs = zip(ours, theirs, strict=True)
            return [line for n, (a, b) in enumerate(pairs) for line in _differences(a, b, f"{path}/{n}")]
    if isinstance(ours, str) and isinstance(theirs, str) and ours.split() == theirs.split():
        return []
    return [] if ours == theirs else [f"{path}: {ours!r} != {theirs!r}"]


def _compare(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    return _differences({key: ours[key] for key in ("metadata", "spec")}, {k: theirs[k] for k in ("metadata", "spec")})


def test_head_pod() -> None:
    real = recorded()
    assert _compare(pods.head_pod(real["rayCluster"]), real["headPod"]) == []


def test_worker_pod() -> None:
    real = recorded()
    instance = real["rayCluster"]
    index = int(real["workerPod"]["metadata"]["labels"]["ray.io/worker-group-replica-index"])
    worker = pods.worker_pod(instance, instance["spec"]["workerGroupSpecs"][0], index)
    assert _compare(worker, real["workerPod"]) == []


def test_head_service() -> None:
    real = recorded()
    assert _compare(children.head_service(real["rayCluster"]), real["headService"]) == []


def test_submitter_job() -> None:
    real = recorded()
    assert _compare(children.submitter_job(real["rayJob"], real["rayCluster"]), real["submitterJob"]) == []


def test_the_comparison_can_fail() -> None:
    real = recorded()
    pod = pods.head_pod(real["rayCluster"])
    pod["spec"]["containers"][0]["env"].pop()
    pod["metadata"]["labels"]["extra"] = "x"
    assert len(_compare(pod, real["headPod"])) >= 2


def test_token_is_random_and_only_in_the_secret() -> None:
    first, second = (children.auth_secret(cluster()) for _ in range(2))
    tokens = {base64.b64decode(secret["data"]["auth_token"]) for secret in (first, second)}
    assert len(tokens) == 2
    assert all(len(token) >= 40 for token in tokens)
    assert first["metadata"]["name"] == "demo"
    assert not any(token.decode() in str(pods.head_pod(cluster())) for token in tokens)


def test_load_balancer_service_has_an_address_of_its_own() -> None:
    instance = cluster()
    instance["spec"]["headGroupSpec"]["serviceType"] = "NodePort"
    spec = children.head_service(instance)["spec"]
    assert spec["type"] == "NodePort"
    assert "clusterIP" not in spec

"""Pod Security Standards, by the labels of a namespace."""

from collections.abc import Iterator

import pytest
from tests.support.cluster import Cluster, new_namespace

LABEL = "pod-security.kubernetes.io"
GOOD = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.fixture
def restricted(cluster: Cluster) -> Iterator[str]:
    """A namespace that enforces `restricted`."""
    with new_namespace(cluster, {f"{LABEL}/enforce": "restricted"}) as name:
        yield name


def pod(security: dict | None, **spec) -> dict:
    container = {"name": "c", "image": "none"} | ({} if security is None else {"securityContext": security})
    return {"metadata": {"name": "p"}, "spec": {"containers": [container], **spec}}


def test_a_plain_pod_goes_too_far(cluster: Cluster, restricted: str) -> None:
    refused = cluster.expect(403, "POST", cluster.core(restricted, "pods"), pod(None)).body
    assert refused["message"] == (
        'pods "p" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container '
        '"c" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "c" must '
        'set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "c" must set '
        'securityContext.runAsNonRoot=true), seccompProfile (pod or container "c" must set '
        'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
    )


def test_a_careful_pod_is_let_in(cluster: Cluster, restricted: str) -> None:
    cluster.expect(201, "POST", cluster.core(restricted, "pods"), pod(GOOD))


@pytest.mark.parametrize(
    ("change", "spec", "sentence"),
    [
        ({"runAsUser": 0}, {}, 'runAsUser=0 (container "c" must not set runAsUser=0)'),
        ({"allowPrivilegeEscalation": True}, {}, "allowPrivilegeEscalation != false"),
        ({"capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}}, {}, 'must not include "CHOWN"'),
        ({"seccompProfile": {"type": "Unconfined"}}, {}, 'seccompProfile (container "c" must not set'),
        ({}, {"hostNetwork": True}, "host namespaces (hostNetwork=true)"),
        (
            {},
            {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
            'restricted volume types (volume "v" uses restricted volume type "hostPath")',
        ),
    ],
)
def test_each_step_too_far_is_named(cluster: Cluster, restricted: str, change: dict, spec: dict, sentence: str) -> None:
    refused = cluster.expect(403, "POST", cluster.core(restricted, "pods"), pod({**GOOD, **change}, **spec)).body
    assert sentence in refused["message"]


def test_templates_are_not_refused(cluster: Cluster, restricted: str) -> None:
    template = {"spec": {**pod(None)["spec"], "restartPolicy": "Never"}}
    job = {"metadata": {"name": "j"}, "spec": {"suspend": True, "template": template}}
    cluster.expect(201, "POST", f"/apis/batch/v1/namespaces/{restricted}/jobs", job)


def test_warnings_alone(cluster: Cluster) -> None:
    with new_namespace(cluster, {f"{LABEL}/warn": "restricted"}) as name:
        answer = cluster.expect(201, "POST", cluster.core(name, "pods"), pod(None))
        assert any(text.startswith('would violate PodSecurity "restricted:latest"') for text in answer.warnings)

"""ValidatingAdmissionPolicies: what they are about, what they refuse, and in which words."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support.cluster import MERGE, Cluster
from tests.support.wait import wait_for

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
POLICIES = f"{ADMISSION}/validatingadmissionpolicies"
BINDINGS = f"{ADMISSION}/validatingadmissionpolicybindings"
Install = Callable[..., str]


@pytest.fixture
def install(cluster: Cluster, namespace: str) -> Iterator[Install]:
    """Makes a policy about ConfigMaps of this test's namespace, and waits until it is in force."""
    made: list[str] = []

    def one(spec: dict[str, Any], actions: tuple[str, ...] = ("Deny",), **resources: Any) -> str:
        name = f"policy-{secrets.token_hex(4)}"
        rule = {
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
            "resources": ["configmaps"], **resources,
        }  # fmt: skip
        # What tells that the policy is in force; the sentence is nobody else's.
        probe = {"expression": "object.metadata.name != 'probe'", "message": f"{name} is in force"}
        full = {"matchConstraints": {"resourceRules": [rule]}, **spec}
        full["validations"] = [probe, *spec.get("validations", [])]
        cluster.expect(201, "POST", POLICIES, {"metadata": {"name": name}, "spec": full})
        made.append(name)
        selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
        binding = {
            "policyName": name, "validationActions": list(actions), "matchResources": {"namespaceSelector": selector},
        }  # fmt: skip
        cluster.expect(201, "POST", BINDINGS, {"metadata": {"name": name}, "spec": binding})
        probe_path = f"{cluster.core(namespace, 'configmaps')}?dryRun=All"

        def in_force() -> bool:
            answer = cluster.request("POST", probe_path, {"metadata": {"name": "probe"}})
            return f"{name} is in force" in f"{answer.body} {answer.warnings}"

        wait_for(in_force, "the policy to be in force", 30)
        return name

    yield one
    for name in made:
        cluster.request("DELETE", f"{BINDINGS}/{name}")
        cluster.request("DELETE", f"{POLICIES}/{name}")


def create(cluster: Cluster, namespace: str, name: str, **data: str) -> Any:
    return cluster.request("POST", cluster.core(namespace, "configmaps"), {"metadata": {"name": name}, "data": data})


def test_a_refusal_names_policy_binding_and_sentence(cluster: Cluster, namespace: str, install: Install) -> None:
    policy = install({"validations": [{"expression": "object.data.size == 'small'", "message": "only small ones"}]})
    assert create(cluster, namespace, "a", size="small").status == 201
    refused = create(cluster, namespace, "b", size="large")
    why = f"ValidatingAdmissionPolicy '{policy}' with binding '{policy}' denied request: only small ones"
    assert refused.status == 422
    assert refused.body["reason"] == "Invalid"
    assert refused.body["message"] == f'configmaps "b" is forbidden: {why}'
    changed = {"data": {"size": "large"}}
    path = cluster.core(namespace, "configmaps", "a")
    assert cluster.request("PATCH", path, changed, content_type=MERGE).status == 422
    assert cluster.request("GET", path).body["data"] == {"size": "small"}


def test_expressions_see_who_asks_for_what_and_where(cluster: Cluster, namespace: str, install: Install) -> None:
    install(
        {
            "validations": [
                {"expression": "request.operation != 'UPDATE' || object.data == oldObject.data", "message": "fixed"},
                {"expression": f"namespaceObject.metadata.name == '{namespace}'"},
                {"expression": "request.resource.resource == 'configmaps' && request.name == object.metadata.name"},
                {"expression": "request.userInfo.groups.exists(g, g == 'system:authenticated')"},
                {"expression": "oldObject != null || object.?data.?size.orValue('') == 'small'"},
            ]
        }
    )
    assert create(cluster, namespace, "a", size="small").status == 201
    path = cluster.core(namespace, "configmaps", "a")
    refused = cluster.request("PATCH", path, {"data": {"size": "large"}}, content_type=MERGE)
    assert refused.body["message"].endswith("denied request: fixed")
    labelled = {"metadata": {"labels": {"a": "b"}}}
    assert cluster.request("PATCH", path, labelled, content_type=MERGE).status == 200


@pytest.mark.parametrize(("failure_policy", "status"), [("Fail", 422), ("Ignore", 201)])
def test_what_cannot_be_evaluated_counts_as_the_policy_says(
    cluster: Cluster, namespace: str, install: Install, failure_policy: str, status: int
) -> None:
    install({"failurePolicy": failure_policy, "validations": [{"expression": "object.data.missing == 'x'"}]})
    answer = create(cluster, namespace, "a", other="y")
    assert answer.status == status
    if status == 422:
        assert (
            "expression 'object.data.missing == 'x'' resulted in error: no such key: missing" in answer.body["message"]
        )


def test_other_writes_are_none_of_its_business(cluster: Cluster, namespace: str, install: Install) -> None:
    install({"validations": [{"expression": "false"}]}, operations=["CREATE"])
    assert create(cluster, namespace, "a").status == 422
    other = {"metadata": {"name": "s"}}
    assert cluster.request("POST", cluster.core(namespace, "secrets"), other).status == 201


def test_a_policy_that_does_not_compile_is_refused(cluster: Cluster) -> None:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": "object. == 1"}]}
    refused = cluster.expect(422, "POST", POLICIES, {"metadata": {"name": "broken"}, "spec": spec}).body
    cause = refused["details"]["causes"][0]
    assert cause["field"] == "spec.validations[0].expression"
    assert "compilation failed" in cause["message"]

"""Who may do what: tokens, rights and their limits, and what a pod is given to ask with."""

from dataclasses import dataclass

import pytest
from tests.support.cluster import MERGE, Cluster
from tests.support.wait import wait_for

RBAC = "/apis/rbac.authorization.k8s.io/v1"


@dataclass(frozen=True)
class Account:
    """A ServiceAccount with rights in its namespace."""

    cluster: Cluster
    namespace: str
    name: str
    token: str

    @property
    def user(self) -> str:
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    def ask(self, method: str, path: str, body=None, **more):
        return self.cluster.request(method, path, body, token=self.token, **more)

    def grant(self, name: str, *rules: dict) -> None:
        """Give rights by a Role and a RoleBinding, and wait until they hold."""
        base = f"{RBAC}/namespaces/{self.namespace}"
        self.cluster.expect(201, "POST", f"{base}/roles", {"metadata": {"name": name}, "rules": list(rules)})
        self.cluster.expect(201, "POST", f"{base}/rolebindings", self.binding(name, "Role", name))
        rule = rules[0]
        wait_for(
            lambda: self.may(
                rule["verbs"][0], rule["apiGroups"][0], rule["resources"][0], (rule.get("resourceNames") or [""])[0]
            ),
            "the rights to hold",
        )

    def binding(self, name: str, kind: str, role: str) -> dict:
        return {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": self.name, "namespace": self.namespace}],
        }

    def may(self, verb: str, group: str, resource: str, name: str = "") -> bool:
        resource, _, subresource = resource.partition("/")
        attributes = {
            "namespace": self.namespace, "verb": verb, "group": group, "resource": resource,
            "subresource": subresource, "name": name,
        }  # fmt: skip
        body = {
            "kind": "SelfSubjectAccessReview",
            "apiVersion": "authorization.k8s.io/v1",
            "spec": {"resourceAttributes": attributes},
        }
        answer = self.ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
        assert answer.status == 201, answer.body
        return answer.body["status"]["allowed"]


def token_of(cluster: Cluster, namespace: str, name: str, **spec) -> str:
    body = {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "spec": {"expirationSeconds": 600, **spec},
    }
    answer = cluster.expect(201, "POST", cluster.core(namespace, "serviceaccounts", name) + "/token", body).body
    assert answer["kind"] == "TokenRequest"
    return answer["status"]["token"]


@pytest.fixture
def account(cluster: Cluster, namespace: str) -> Account:
    """A ServiceAccount without rights."""
    cluster.expect(201, "POST", cluster.core(namespace, "serviceaccounts"), {"metadata": {"name": "bob"}})
    return Account(cluster, namespace, "bob", token_of(cluster, namespace, "bob"))


def test_strangers_are_turned_away(cluster: Cluster) -> None:
    for token in ("nonsense", "a.b.c"):
        refused = cluster.expect(401, "GET", "/api/v1/namespaces", token=token).body
        assert refused["reason"] == "Unauthorized"
        assert refused["message"] == "Unauthorized"


def test_a_token_ends_with_its_account(cluster: Cluster, account: Account) -> None:
    assert account.ask("GET", "/apis").status == 200
    cluster.expect(200, "DELETE", cluster.core(account.namespace, "serviceaccounts", "bob"))
    wait_for(lambda: account.ask("GET", "/apis").status == 401, "the token to end")


def test_what_is_not_granted_is_forbidden(cluster: Cluster, account: Account) -> None:
    refused = account.ask("GET", cluster.core(account.namespace, "secrets", "x"))
    assert refused.status == 403
    assert refused.body["reason"] == "Forbidden"
    assert refused.body["message"] == (
        f'secrets "x" is forbidden: User "{account.user}" cannot get resource "secrets" in API group "" in the '
        f'namespace "{account.namespace}"'
    )
    assert refused.body["details"] == {"name": "x", "kind": "secrets"}
    refused = account.ask("GET", f"/apis/{cluster.widget_group}/v1/widgets").body
    assert refused["message"] == (
        f'widgets.{cluster.widget_group} is forbidden: User "{account.user}" cannot list resource "widgets" in API '
        f'group "{cluster.widget_group}" at the cluster scope'
    )
    refused = account.ask("PATCH", cluster.widgets(account.namespace, "w") + "/status", {}, content_type=MERGE).body
    assert 'cannot patch resource "widgets/status"' in refused["message"]
    refused = account.ask("GET", "/no/such/path").body
    assert refused["message"] == f'forbidden: User "{account.user}" cannot get path "/no/such/path"'


def test_rights_on_one_object(cluster: Cluster, account: Account) -> None:
    """What the trainer holds: one secret to read, and the status of one object to patch."""
    for name in ("mine", "other"):
        cluster.expect(201, "POST", cluster.core(account.namespace, "secrets"), {"metadata": {"name": name}})
        cluster.expect(201, "POST", cluster.widgets(account.namespace), cluster.widget(name))
    account.grant(
        "narrow",
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["mine"]},
        {
            "apiGroups": [cluster.widget_group],
            "resources": ["widgets/status"],
            "verbs": ["patch"],
            "resourceNames": ["mine"],
        },
    )
    assert account.ask("GET", cluster.core(account.namespace, "secrets", "mine")).status == 200
    assert account.ask("GET", cluster.core(account.namespace, "secrets", "other")).status == 403
    assert account.ask("GET", cluster.core(account.namespace, "secrets")).status == 403
    status = {"status": {"phase": "Up"}}
    path = cluster.widgets(account.namespace, "mine")
    assert account.ask("PATCH", path + "/status", status, content_type=MERGE).status == 200
    assert account.ask("PATCH", path, status, content_type=MERGE).status == 403
    assert account.ask("GET", path).status == 403
    assert (
        account.ask("PATCH", cluster.widgets(account.namespace, "other") + "/status", status, content_type=MERGE).status
        == 403
    )


def test_one_named_object_may_be_listed_and_watched(cluster: Cluster, account: Account) -> None:
    account.grant(
        "one", {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "watch"], "resourceNames": ["c"]}
    )
    path = cluster.core(account.namespace, "configmaps")
    assert account.ask("GET", path + "?fieldSelector=metadata.name%3Dc").status == 200
    assert account.ask("GET", path).status == 403


def test_rights_go_with_their_binding(cluster: Cluster, account: Account) -> None:
    account.grant("look", {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]})
    assert account.ask("GET", cluster.core(account.namespace, "pods")).status == 200
    assert account.ask("GET", cluster.core("default", "pods")).status == 403
    cluster.expect(200, "DELETE", f"{RBAC}/namespaces/{account.namespace}/rolebindings/look")
    wait_for(lambda: account.ask("GET", cluster.core(account.namespace, "pods")).status == 403, "the rights to go")


def test_nobody_grants_what_he_does_not_hold(cluster: Cluster, account: Account) -> None:
    base = f"{RBAC}/namespaces/{account.namespace}"
    account.grant(
        "manager",
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
    )
    held = {"metadata": {"name": "a"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}
    assert account.ask("POST", f"{base}/roles", held).status == 201
    more = {
        "metadata": {"name": "b"},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}],
    }
    refused = account.ask("POST", f"{base}/roles", more)
    assert refused.status == 403
    assert "is attempting to grant RBAC permissions not currently held" in refused.body["message"]
    assert account.ask("POST", f"{base}/rolebindings", account.binding("c", "Role", "a")).status == 201
    refused = account.ask("POST", f"{base}/rolebindings", account.binding("d", "ClusterRole", "edit"))
    assert refused.status == 403
    assert "is attempting to grant RBAC permissions not currently held" in refused.body["message"]


def test_pods_get_their_account_and_its_token(cluster: Cluster, account: Account) -> None:
    pod = {
        "metadata": {"name": "p"},
        "spec": {"serviceAccountName": "bob", "containers": [{"name": "c", "image": "none"}]},
    }
    made = cluster.expect(201, "POST", cluster.core(account.namespace, "pods"), pod).body
    spec = made["spec"]
    mount = spec["containers"][0]["volumeMounts"][0]
    assert mount["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
    assert mount["name"].startswith("kube-api-access-")
    assert spec["volumes"][0]["name"] == mount["name"]
    sources = {kind for source in spec["volumes"][0]["projected"]["sources"] for kind in source}
    assert sources == {"serviceAccountToken", "configMap", "downwardAPI"}
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": made["metadata"]["uid"]}
    token = token_of(cluster, account.namespace, "bob", boundObjectRef=reference)
    assert cluster.request("GET", "/apis", token=token).status == 200
    cluster.expect(200, "DELETE", cluster.core(account.namespace, "pods", "p"))
    wait_for(lambda: cluster.request("GET", "/apis", token=token).status == 401, "the pod's token to end")
    pod["spec"]["serviceAccountName"] = "nobody"
    refused = cluster.expect(403, "POST", cluster.core(account.namespace, "pods"), pod).body
    assert 'serviceaccount "nobody" not found' in refused["message"]

"""Who may do what: tokens, RBAC, impersonation, escalation, reviews."""

import base64
import json
from dataclasses import dataclass
from urllib.parse import quote

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


def test_a_token_says_whose_it_is(account: Account) -> None:
    claims = json.loads(base64.urlsafe_b64decode(account.token.split(".")[1] + "=="))
    assert claims["sub"] == account.user
    assert claims["kubernetes.io"]["namespace"] == account.namespace
    assert claims["kubernetes.io"]["serviceaccount"]["name"] == "bob"
    assert claims["exp"] - claims["iat"] == 600
    review = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
    info = account.ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review).body["status"]["userInfo"]
    assert info["username"] == account.user
    assert info["groups"] == [
        "system:serviceaccounts", f"system:serviceaccounts:{account.namespace}", "system:authenticated",
    ]  # fmt: skip


def test_tokens_are_reviewed(cluster: Cluster, account: Account) -> None:
    def review(token: str) -> dict:
        body = {"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": {"token": token}}
        return cluster.expect(201, "POST", "/apis/authentication.k8s.io/v1/tokenreviews", body).body["status"]

    good = review(account.token)
    assert good["authenticated"] is True
    assert good["user"]["username"] == account.user
    assert review("nonsense").get("authenticated", False) is False


def test_tokens_live_ten_minutes_at_least(cluster: Cluster, account: Account) -> None:
    body = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {"expirationSeconds": 10}}
    path = cluster.core(account.namespace, "serviceaccounts", "bob") + "/token"
    answer = cluster.expect(422, "POST", path, body)
    assert answer.fields == {"spec.expirationSeconds"}
    cluster.expect(
        404, "POST", cluster.core(account.namespace, "serviceaccounts", "none") + "/token", {**body, "spec": {}}
    )


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


def test_everybody_may_discover(account: Account) -> None:
    for path in ("/version", "/api", "/apis", "/openapi/v3", "/readyz"):
        assert account.ask("GET", path).status == 200


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


def test_cluster_roles_are_bound_in_a_namespace(cluster: Cluster, account: Account) -> None:
    base = f"{RBAC}/namespaces/{account.namespace}/rolebindings"
    cluster.expect(201, "POST", base, account.binding("view", "ClusterRole", "view"))
    wait_for(lambda: account.ask("GET", cluster.core(account.namespace, "pods")).status == 200, "the rights to hold")
    assert account.ask("GET", cluster.core(account.namespace, "secrets")).status == 403
    assert account.ask("POST", cluster.core(account.namespace, "pods"), {}).status == 403


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
    assert refused.body["message"] == (
        f'roles.rbac.authorization.k8s.io "b" is forbidden: user "{account.user}" (groups=["system:serviceaccounts" '
        f'"system:serviceaccounts:{account.namespace}" "system:authenticated"]) is attempting to grant RBAC '
        'permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}'
    )
    assert account.ask("POST", f"{base}/rolebindings", account.binding("c", "Role", "a")).status == 201
    refused = account.ask("POST", f"{base}/rolebindings", account.binding("d", "ClusterRole", "edit"))
    assert refused.status == 403
    assert "is attempting to grant RBAC permissions not currently held" in refused.body["message"]


def test_a_binding_keeps_its_role(cluster: Cluster, account: Account) -> None:
    base = f"{RBAC}/namespaces/{account.namespace}/rolebindings"
    cluster.expect(201, "POST", base, account.binding("b", "ClusterRole", "view"))
    patch = {"roleRef": {"name": "edit"}}
    answer = cluster.expect(422, "PATCH", f"{base}/b", patch, content_type=MERGE)
    assert answer.fields == {"roleRef"}
    assert "cannot change roleRef" in answer.body["message"]


def test_roles_need_verbs_and_groups(cluster: Cluster, namespace: str) -> None:
    role = {
        "metadata": {"name": "r"},
        "rules": [{"resources": ["pods"], "verbs": ["get"]}, {"apiGroups": [""], "resources": ["pods"], "verbs": []}],
    }
    answer = cluster.expect(422, "POST", f"{RBAC}/namespaces/{namespace}/roles", role)
    assert {"rules[0].apiGroups", "rules[1].verbs"} <= answer.fields


def test_cluster_roles_are_summed_up(cluster: Cluster, namespace: str) -> None:
    label = f"{namespace}.example.com/sum"
    names = [f"{namespace}-part", f"{namespace}-sum"]
    rule = {"apiGroups": ["example.com"], "resources": ["things"], "verbs": ["get"]}
    part = {"metadata": {"name": names[0], "labels": {label: "yes"}}, "rules": [rule]}
    total = {
        "metadata": {"name": names[1]},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {label: "yes"}}]},
        "rules": [],
    }
    try:
        cluster.expect(201, "POST", f"{RBAC}/clusterroles", total)
        cluster.expect(201, "POST", f"{RBAC}/clusterroles", part)
        path = f"{RBAC}/clusterroles/{names[1]}"
        wait_for(lambda: cluster.request("GET", path).body["rules"] == [rule], "the rules to be summed up")
    finally:
        for name in names:
            cluster.request("DELETE", f"{RBAC}/clusterroles/{name}")


def test_an_administrator_acts_as_another(cluster: Cluster, account: Account) -> None:
    path = cluster.core(account.namespace, "secrets")
    refused = cluster.expect(403, "GET", path, headers={"Impersonate-User": account.user}).body
    assert f'User "{account.user}" cannot list' in refused["message"]
    headers = {"Impersonate-User": "jane", "Impersonate-Group": "system:masters"}
    cluster.expect(200, "GET", path, headers=headers)
    refused = account.ask("GET", path, headers={"Impersonate-User": "jane"})
    assert refused.status == 403
    assert f'User "{account.user}" cannot impersonate' in refused.body["message"]


def test_rights_of_others_are_reviewed(cluster: Cluster, account: Account) -> None:
    account.grant("look", {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]})

    def allowed(verb: str) -> bool:
        attributes = {"namespace": account.namespace, "verb": verb, "resource": "pods"}
        spec = {"user": account.user, "resourceAttributes": attributes}
        body = {"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": spec}
        return cluster.expect(201, "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body).body["status"][
            "allowed"
        ]

    assert allowed("list")
    assert not allowed("delete")


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


def test_paths_with_odd_names_are_asked_for_as_they_are(cluster: Cluster, account: Account) -> None:
    path = f"{RBAC}/namespaces/{account.namespace}/roles"
    name = "system:odd:name"
    cluster.expect(201, "POST", path, {"metadata": {"name": name}, "rules": []})
    assert cluster.expect(200, "GET", f"{path}/{quote(name)}").body["metadata"]["name"] == name

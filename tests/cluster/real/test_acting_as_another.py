"""Impersonation, which the runbooks use: `kubectl auth can-i ... --as system:serviceaccount:...`."""

from tests.support.cluster import Cluster


def test_an_administrator_asks_what_an_account_may_do(cluster: Cluster, namespace: str) -> None:
    n, who = ("-n", namespace), f"--as=system:serviceaccount:{namespace}:bob"
    cluster.kubectl("create", "serviceaccount", "bob", *n)
    cluster.kubectl("create", "role", "r", "--verb=get", "--resource=pods,pods/log", *n)
    cluster.kubectl("create", "rolebinding", "rb", "--role=r", f"--serviceaccount={namespace}:bob", *n)
    assert cluster.kubectl("auth", "can-i", "get", "pods/log", *n, who).stdout == "yes\n"
    assert cluster.kubectl("auth", "can-i", "list", "secrets", *n, who, check=False).stdout == "no\n"

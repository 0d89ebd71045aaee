"""ResourceQuotas: the operator reads "exceeded quota" from a refusal, and tells of it as `QuotaExceeded`."""

from tests.support.cluster import Cluster
from tests.support.wait import wait_for


def test_one_object_too_many_is_refused_in_the_words_the_operator_reads(cluster: Cluster, namespace: str) -> None:
    counted = f"count/widgets.{cluster.widget_group}"
    quota = {"metadata": {"name": "limited"}, "spec": {"hard": {counted: "1"}}}
    cluster.expect(201, "POST", cluster.core(namespace, "resourcequotas"), quota)
    path = cluster.core(namespace, "resourcequotas", "limited")
    wait_for(lambda: "used" in (cluster.request("GET", path).body.get("status") or {}), "the quota to be counted", 30)
    cluster.expect(201, "POST", cluster.widgets(namespace), cluster.widget("a"))
    refused = cluster.expect(403, "POST", cluster.widgets(namespace), cluster.widget("b")).body
    assert f"exceeded quota: limited, requested: {counted}=1" in refused["message"]

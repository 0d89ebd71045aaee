"""What a full API server does with definitions, and what it tells of its own kinds."""

import json

from tests.support.cluster import CRDS, MERGE, Cluster, widget_crd


def definition_with(cluster: Cluster, **size: object) -> dict:
    made = widget_crd(cluster.widget_group)
    made["metadata"]["name"] = f"things.{cluster.widget_group}"
    made["spec"]["names"] = {"kind": "Thing", "plural": "things"}
    spec = made["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["size"] |= size
    return made


def test_openapi_describes_built_in_kinds(cluster: Cluster) -> None:
    document = cluster.expect(200, "GET", "/openapi/v3/apis/batch/v1").body
    text = json.dumps(document["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"])
    assert '"x-kubernetes-patch-merge-key": "name"' in text
    assert cluster.expect(200, "GET", "/openapi/v2").body["swagger"] == "2.0"
    assert "FIELD: image <string>" in cluster.kubectl("explain", "pods.spec.containers.image").stdout


def test_rules_are_held_to_the_types_of_the_schema(cluster: Cluster) -> None:
    for text in ("self.none > 1", "self > 'a'"):
        made = definition_with(cluster, **{"x-kubernetes-validations": [{"rule": text}]})
        assert "compilation failed" in cluster.expect(422, "POST", CRDS, made).body["message"]


def test_rules_that_may_cost_too_much_are_refused(cluster: Cluster) -> None:
    rule = {"rule": "self.all(x, self.exists_one(y, y == x))"}
    size = {"type": "array", "items": {"type": "string"}, "x-kubernetes-validations": [rule]}
    made = definition_with(cluster)
    made["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["size"] = size
    assert "exceeds budget" in cluster.expect(422, "POST", CRDS, made).body["message"]


def test_schemas_are_held_to_the_structural_rules(cluster: Cluster) -> None:
    made = definition_with(cluster, anyOf=[{"type": "integer", "default": 1}])
    assert "to be structural" in cluster.expect(422, "POST", CRDS, made).body["message"]
    untyped = definition_with(cluster)
    del untyped["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["size"]["type"]
    answer = cluster.expect(422, "POST", CRDS, untyped)
    assert "must not be empty for specified object fields" in answer.body["message"]


def test_defaults_of_a_schema_must_fit_it(cluster: Cluster) -> None:
    made = definition_with(cluster, default="x")
    assert "must be of type integer" in cluster.expect(422, "POST", CRDS, made).body["message"]


def test_leases_and_services_are_complete(cluster: Cluster, namespace: str) -> None:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    lease = {"metadata": {"name": "m"}, "spec": {"leaseDurationSeconds": 0}}
    assert cluster.expect(422, "POST", path, lease).fields == {"spec.leaseDurationSeconds"}
    service = {"metadata": {"name": "t"}, "spec": {}}
    assert cluster.expect(422, "POST", cluster.core(namespace, "services"), service).fields == {"spec.ports"}


def test_every_create_command(cluster: Cluster, namespace: str) -> None:
    """kubectl sends these kinds in protobuf; the embedded server takes them from files only."""
    n = ("-n", namespace)
    cluster.kubectl("create", "quota", "q", "--hard=pods=5", *n)
    cluster.kubectl("create", "service", "clusterip", "svc", "--tcp=80:8080", *n)
    cluster.kubectl("create", "job", "j", "--image=none", *n)
    cluster.kubectl("create", "deployment", "d", "--image=none", "--replicas=0", *n)
    shown = cluster.kubectl("get", "all", *n).stdout
    assert all(name in shown for name in ("service/svc", "deployment.apps/d", "job.batch/j"))


def test_pods_are_classed_and_mostly_fixed(cluster: Cluster, namespace: str) -> None:
    path = cluster.core(namespace, "pods")
    limits = {"cpu": "500m", "memory": "1Gi"}
    container = {"name": "c", "image": "example.com/x:1", "resources": {"limits": limits}}
    made = cluster.expect(201, "POST", path, {"metadata": {"name": "p"}, "spec": {"containers": [container]}}).body
    assert made["status"]["qosClass"] == "Guaranteed"
    answer = cluster.expect(422, "PATCH", f"{path}/p", {"spec": {"hostname": "h"}}, content_type=MERGE)
    assert "pod updates may not change fields other than" in answer.body["message"]


def test_a_secret_has_what_its_type_needs(cluster: Cluster, namespace: str) -> None:
    secret = {"metadata": {"name": "t"}, "type": "kubernetes.io/tls", "data": {}}
    assert cluster.expect(422, "POST", cluster.core(namespace, "secrets"), secret).fields >= {"data[tls.crt]"}

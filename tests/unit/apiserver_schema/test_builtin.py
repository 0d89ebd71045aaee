import re
import subprocess
import sys
from pathlib import Path

import pytest

from mnist_local.apiserver.schema.builtin import builtin_schema
from mnist_local.apiserver.schema.types import clientmodels, tables
from mnist_local.apiserver.schema.types.nodes import model_node


def schema(group, version, kind):
    found = builtin_schema(group, version, kind)
    assert found is not None
    return found


def reachable(model, seen):
    if model in seen:
        return
    seen.add(model)
    for field in clientmodels.fields(model).values():
        for name in re.findall(r"\b(?:[A-Z][a-z]+)?V[12]\w+", field.type):
            if clientmodels.exists(name):
                reachable(name, seen)


@pytest.fixture(scope="module")
def all_models():
    seen = set()
    for (group, version), kinds in tables.KINDS.items():
        for kind in kinds:
            reachable(schema(group, version, kind).source["model"], seen)
    return seen


def test_every_kind_has_a_model_and_every_field_is_read(all_models):
    for model in all_models:
        text = clientmodels._path(model).read_text(encoding="utf-8")
        mapped = text[text.index("    attribute_map: ClassVar") :].split("}", 1)[0]
        expected = re.findall(r'": "([^"]+)"', mapped)
        assert list(clientmodels.fields(model)) == expected, model


def test_tables_name_fields_that_exist(all_models):
    facts = [*tables.MERGED_LISTS, *tables.KEYED_LISTS, *tables.SETS, *tables.QUANTITIES, *tables.PATCH_STRATEGIES]
    facts += [*tables.MICRO_TIMES, *tables.DEFAULTED_KEYS, *(name for name in tables.ATOMIC if "." in name)]
    for fact in facts:
        model, _, field = fact.partition(".")
        assert field in clientmodels.fields(model), fact
    for fact, keys in {**tables.MERGED_LISTS, **tables.KEYED_LISTS}.items():
        model, _, field = fact.partition(".")
        item = model_node(model).properties[field].items
        assert set(keys) <= set(item.properties), fact


def test_unknown_kinds():
    assert builtin_schema("", "v1", "Deployment") is None
    assert builtin_schema("apps", "v2", "Deployment") is None
    assert builtin_schema("ray.io", "v1", "RayCluster") is None


def test_both_kinds_of_event():
    assert "involvedObject" in schema("", "v1", "Event").root.properties
    assert "regarding" in schema("events.k8s.io", "v1", "Event").root.properties


def test_unknown_fields():
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "labelz": {}},
        "spec": {
            "containers": [{"name": "c", "imag": "x", "env": [{"name": "A", "valu": "1"}]}],
            "nodeSelector": {"any": "x"},
        },
        "bogus": 1,
    }
    assert schema("", "v1", "Pod").prune(pod) == [
        "bogus",
        "metadata.labelz",
        "spec.containers[0].env[0].valu",
        "spec.containers[0].imag",
    ]
    assert pod["spec"] == {"containers": [{"name": "c", "env": [{"name": "A"}]}], "nodeSelector": {"any": "x"}}


def test_types_and_required_fields():
    service = {"spec": {"ports": [{"port": "80", "targetPort": "http"}, {"targetPort": 80}]}}
    assert [str(e) for e in schema("", "v1", "Service").validate(service)] == [
        'spec.ports[0].port: Invalid value: "string": spec.ports[0].port in body must be of type integer: "string"',
        "spec.ports[1].port: Required value",
    ]


def test_a_secret_holds_base64():
    secret = schema("", "v1", "Secret")
    assert secret.validate({"data": {"a": "YWJj"}}) == []
    assert [e.path for e in secret.validate({"data": {"a": "%%"}})] == ["data.a"]


def test_canonical_values():
    pod = {
        "spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": 1, "memory": "1024Mi"}}, "image": None}]}
    }
    schema("", "v1", "Pod").default(pod)
    assert pod == {"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]}}
    lease = {"spec": {"renewTime": "2026-01-02T04:04:05.5+01:00"}}
    schema("coordination.k8s.io", "v1", "Lease").default(lease)
    assert lease == {"spec": {"renewTime": "2026-01-02T03:04:05.500000Z"}}


def test_a_schema_of_a_schema():
    crd = {
        "spec": {
            "versions": [
                {
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "properties": {"a": {"type": "array", "items": {"type": "string", "bogus": 1}}},
                            "additionalProperties": True,
                            "x-kubernetes-validations": [{"rule": "true"}],
                            "default": {"anything": [1]},
                        }
                    }
                }
            ]
        }
    }
    found = schema("apiextensions.k8s.io", "v1", "CustomResourceDefinition").prune(crd)
    assert found == ["spec.versions[0].schema.openAPIV3Schema.properties.a.items.bogus"]


def test_the_client_itself_is_not_imported():
    code = (
        "import sys; from mnist_local.apiserver.schema.builtin import builtin_schema; "
        "builtin_schema('', 'v1', 'Pod').prune({'spec': {'x': 1}}); print('kubernetes' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == "False"


def test_descriptions():
    assert clientmodels.description("V1Pod").startswith("Pod is a collection of containers")
    assert "IP address" in clientmodels.fields("V1ContainerPort")["containerPort"].description()

"""What counts as changed by somebody else."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.operator.test_children import INSTALLATION, training

from mnist_operator.cache import ObjectCache
from mnist_operator.children.cluster import ray_cluster
from mnist_operator.children.drift import lacks, put_back, spec_digest
from mnist_operator.children.job import ray_job

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def spec() -> dict[str, Any]:
    return copy.deepcopy(ray_cluster(training(), "c", INSTALLATION)["spec"])


@given(VALUES)
def test_nothing_lacks_itself(value: Any) -> None:
    assert not lacks(value, copy.deepcopy(value))


def test_what_the_server_adds_is_no_drift() -> None:
    live = spec()
    live["upgradeStrategy"] = {"type": "None"}
    live["workerGroupSpecs"][0] |= {"numOfHosts": 1, "priority": 0}
    assert not lacks(spec(), live)
    named = {"head": {"template": {"spec": {"containers": [{"name": "ray-head", "ports": [{"containerPort": 1}]}]}}}}
    made = ray_cluster(training(named), "c", INSTALLATION)["spec"]
    live = copy.deepcopy(made)
    live["headGroupSpec"]["template"]["spec"]["containers"][0]["ports"][0]["protocol"] = "TCP"
    assert not lacks(made, live)
    assert spec_digest(made) == spec_digest(live)


@pytest.mark.parametrize(
    "change",
    [
        lambda live: live["headGroupSpec"].update(serviceType="NodePort"),
        lambda live: live["headGroupSpec"]["template"]["spec"]["containers"][0].update(image="other"),
        lambda live: live["headGroupSpec"]["template"]["spec"]["containers"].append({"name": "more"}),
        lambda live: live["workerGroupSpecs"].clear(),
        lambda live: live.pop("authOptions"),
    ],
)
def test_what_others_change_is_drift_and_is_put_back(change: Any) -> None:
    live = spec()
    change(live)
    assert lacks(spec(), live)
    assert spec_digest(live) != spec_digest(spec())
    assert put_back(spec(), live) == spec()


def test_the_autoscalers_and_kueues_parts_are_theirs() -> None:
    live = spec()
    live["workerGroupSpecs"][0] |= {"replicas": 7, "scaleStrategy": {"workersToDelete": ["a"]}}
    live["suspend"] = True
    assert spec_digest(live) == spec_digest(spec())
    live["headGroupSpec"]["serviceType"] = "NodePort"
    restored = put_back(spec(), live)
    assert (restored["suspend"], restored["workerGroupSpecs"][0]["replicas"]) == (True, 7)
    assert restored["workerGroupSpecs"][0]["scaleStrategy"] == {"workersToDelete": ["a"]}
    assert restored["headGroupSpec"]["serviceType"] == "ClusterIP"


def test_a_spec_is_looked_at_once_per_generation() -> None:
    seen: list[dict[str, Any]] = []

    def project(spec: dict[str, Any]) -> dict[str, Any]:
        seen.append(spec)
        return {"size": len(spec)}

    cache = ObjectCache(project)
    metadata = {"name": "c", "namespace": "n", "uid": "u", "generation": 1, "resourceVersion": "1"}
    for version, generation, spec in ((1, 1, {}), (2, 1, {}), (3, 2, {"a": 1}), (4, 2, {"a": 1})):
        cache.put({"metadata": {**metadata, "resourceVersion": str(version), "generation": generation}, "spec": spec})
    assert seen == [{}, {"a": 1}]
    found = cache.get("n", "c")
    assert found is not None
    assert found["spec"] == {"size": 1}


# --- what a typed client makes of an object ---------------------------------------------------------------------------


def typed_update(spec: dict[str, Any]) -> dict[str, Any]:
    """As a Go client writes back what it read, by the types in KubeRay's ray/v1 and Kubernetes' core/v1.

    A model of its own, by kinds of fields: the operator's knows what it may ignore, this one what happens.
    """
    written: dict[str, Any] = STRUCTS["spec"](spec)
    return written


def plain(value: Any) -> Any:
    """A value, a list or a map with omitempty: left out when it is zero or empty."""
    return value or None


def pointer(value: Any) -> Any:
    return value


def amount(value: Any) -> Any:
    """resource.Quantity: read, and written in its canonical form."""
    text = str(value)
    if text.endswith("m") and int(text[:-1]) % 1000 == 0:
        return str(int(text[:-1]) // 1000)
    return text


def amounts(value: Any) -> Any:
    return {key: amount(item) for key, item in value.items()} or None


def struct(fields: dict[str, Any], always: tuple[str, ...] = ()) -> Any:
    """A struct: fields that it does not have are gone, those without omitempty are always there."""

    def write(value: dict[str, Any]) -> dict[str, Any]:
        written = {name: STRUCTS.get(kind, kind)(value[name]) for name, kind in fields.items() if name in value}
        zeros: dict[str, Any] = {name: {} for name in always if written.get(name) is None}
        return {name: item for name, item in {**written, **zeros}.items() if item is not None}

    return write


def each(kind: Any) -> Any:
    return lambda items: [STRUCTS.get(kind, kind)(item) for item in items] or None


STRUCTS: dict[Any, Any] = {}
STRUCTS |= {
    "spec": struct(
        dict.fromkeys(("rayVersion", "entrypoint", "submissionMode", "shutdownAfterJobFinishes"), plain)
        | dict.fromkeys(("entrypointNumCpus", "jobId", "clusterSelector"), plain)
        | dict.fromkeys(("enableInTreeAutoscaling", "suspend", "backoffLimit"), pointer)
        | {"authOptions": struct({"mode": plain, "secretName": pointer}), "headGroupSpec": "group"}
        | {"workerGroupSpecs": each("group"), "submitterPodTemplate": "template", "autoscalerOptions": "autoscaler"}
    ),
    "autoscaler": struct(
        dict.fromkeys(("version", "idleTimeoutSeconds"), pointer) | {"securityContext": "security", "env": each("env")}
    ),
    "group": struct(
        dict.fromkeys(("serviceType", "resources", "labels", "numOfHosts", "groupName"), plain)
        | dict.fromkeys(("replicas", "minReplicas", "maxReplicas", "priority", "rayStartParams"), pointer)
        | {"template": "template", "scaleStrategy": struct({"workersToDelete": plain})},
        always=("template", "rayStartParams"),
    ),
    "template": struct({"metadata": struct(dict.fromkeys(("labels", "annotations"), plain)), "spec": "pod"}, ("spec",)),
    "pod": struct(
        dict.fromkeys(("serviceAccountName", "restartPolicy", "nodeSelector", "hostNetwork", "tolerations"), plain)
        | dict.fromkeys(("automountServiceAccountToken", "terminationGracePeriodSeconds"), pointer)
        | {"containers": each("container"), "volumes": each("volume"), "securityContext": "security"}
        | {"imagePullSecrets": each(struct({"name": plain}))}
    ),
    "container": struct(
        dict.fromkeys(("name", "image", "command", "args", "tty", "stdin", "imagePullPolicy"), plain)
        | {"env": each("env"), "ports": each(struct(dict.fromkeys(("name", "containerPort", "hostPort"), plain)))}
        | {"resources": struct({"limits": amounts, "requests": amounts}), "securityContext": "security"}
        | {"volumeMounts": each(struct(dict.fromkeys(("name", "mountPath", "readOnly", "subPath"), plain)))}
        | {"envFrom": each(struct({"prefix": plain, "secretRef": struct({"name": plain, "optional": pointer})}))},
        always=("resources",),
    ),
    "env": struct({"name": plain, "value": plain}),
    "volume": struct({"name": plain, "emptyDir": struct({"medium": plain, "sizeLimit": amount})}),
    "security": struct(
        dict.fromkeys(("runAsUser", "runAsGroup", "runAsNonRoot", "fsGroup", "privileged"), pointer)
        | dict.fromkeys(("allowPrivilegeEscalation", "readOnlyRootFilesystem"), pointer)
        | {"capabilities": struct({"add": plain, "drop": plain}), "seccompProfile": pointer}
    ),
}

CPUS = st.sampled_from(["1", 1, "1000m", "250m", "2", "2000m"])
RESOURCES = st.fixed_dictionaries(
    {}, optional={"limits": st.fixed_dictionaries({"cpu": CPUS, "memory": st.just("1Gi")})}
)
WORDS = st.sampled_from(["", "a", "b"])
CONTAINER = st.fixed_dictionaries(
    {"name": st.just("ray-worker")},
    optional={
        "tty": st.booleans(),
        "args": st.lists(WORDS, max_size=2),
        "env": st.lists(st.fixed_dictionaries({"name": st.sampled_from("AB"), "value": WORDS}), max_size=2),
        "securityContext": st.fixed_dictionaries(
            {},
            optional={
                "privileged": st.booleans(),
                "runAsUser": st.integers(0, 2),
                "capabilities": st.just({"add": []}),
            },
        ),
    },
)
TEMPLATE = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.fixed_dictionaries({"labels": st.dictionaries(st.sampled_from("ab"), WORDS, max_size=2)}),
        "spec": st.fixed_dictionaries(
            {"containers": st.just([]) | st.lists(CONTAINER, min_size=1, max_size=1)},
            optional={
                "hostNetwork": st.booleans(),
                "automountServiceAccountToken": st.booleans(),
                "nodeSelector": st.dictionaries(st.sampled_from("ab"), WORDS, max_size=1),
                "tolerations": st.just([]),
            },
        ),
    },
)
TRAININGS = st.fixed_dictionaries(
    {
        "workers": st.fixed_dictionaries(
            {"replicas": st.just(2)},
            optional={
                "maxReplicas": st.integers(2, 4),
                "gpusPerWorker": st.integers(0, 1),
                "resources": RESOURCES,
                "template": TEMPLATE,
            },
        ),
        "head": st.fixed_dictionaries({}, optional={"resources": RESOURCES, "template": TEMPLATE}),
    }
)


def specs(of: dict[str, Any]) -> list[dict[str, Any]]:
    """What the operator makes of a training: the specs of its RayCluster and of its RayJob."""
    cluster = ray_cluster(training(of), "c", INSTALLATION)["spec"]
    return copy.deepcopy([cluster, ray_job(training(of), 1, "c", INSTALLATION)["spec"]])


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all fields, items of lists and entries of maps that hold no others."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = False
    for key, part in parts:
        found = True
        yield from leaves(part, (*path, key))
    if not found and path:
        yield path


def get_at(spec: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        spec = spec[key]
    return spec


def set_at(spec: dict[str, Any], path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        spec = spec[key]
    spec[path[-1]] = value


@given(TRAININGS)
def test_a_typed_round_trip_is_no_drift(of: dict[str, Any]) -> None:
    for spec in specs(of):
        written = typed_update(spec)
        assert spec_digest(written) == spec_digest(spec)
        assert not lacks(spec, written)


@given(TRAININGS, st.data())
def test_a_value_changed_anywhere_is_drift_even_when_a_typed_round_trip_follows(
    of: dict[str, Any], data: st.DataObject
) -> None:
    for spec in specs(of):
        moving = ("replicas", "minReplicas", "maxReplicas")
        path = data.draw(st.sampled_from([path for path in leaves(spec) if path[-1] not in moving]))
        changed = copy.deepcopy(spec)
        set_at(changed, path, "another")
        assert spec_digest(changed) != spec_digest(spec)
        assert lacks(spec, changed)
        if path[-1] not in {"cpu", "memory"} and get_at(spec, path) != {}:  # a Go client could read "another" there
            assert spec_digest(typed_update(changed)) != spec_digest(typed_update(spec))


@given(TRAININGS, st.data())
def test_a_zero_that_is_turned_on_is_drift(of: dict[str, Any], data: st.DataObject) -> None:
    spec = specs(of)[1]
    assert spec["shutdownAfterJobFinishes"] is False
    where = spec["submitterPodTemplate"]["spec"]["containers"][0]["securityContext"]
    for holder, field in ((spec, "shutdownAfterJobFinishes"), (where, "allowPrivilegeEscalation")):
        assert holder[field] is False
        before, live = copy.deepcopy(spec), spec
        holder[field] = True
        assert spec_digest(live) != spec_digest(before)
        assert lacks(before, live)
        holder[field] = False


@pytest.mark.parametrize("field", ["automountServiceAccountToken", "restartPolicy", "serviceAccountName", "containers"])
def test_a_field_that_is_taken_away_is_drift(field: str) -> None:
    live = spec()
    del live["workerGroupSpecs"][0]["template"]["spec"][field]
    assert spec_digest(live) != spec_digest(spec())
    assert lacks(spec(), live)


@pytest.mark.parametrize(
    "added", [{"activeDeadlineSeconds": 8}, {"runtimeEnvYAML": "pip: [x]"}, {"backoffLimit": 2}, {"suspended": True}]
)
def test_a_field_that_is_added_to_a_job_is_drift(added: dict[str, Any]) -> None:
    made = ray_job(training(), 1, "c", INSTALLATION)["spec"]
    assert spec_digest({**made, **added}) != spec_digest(made)


def test_what_kuberays_whole_crds_fill_in_is_no_drift() -> None:
    made = ray_job(training(), 1, "c", INSTALLATION)["spec"]
    live = {**made, "backoffLimit": 0, "submissionMode": "K8sJobMode", "ttlSecondsAfterFinished": 0}
    assert spec_digest(live) == spec_digest(made)
    live = spec()
    live["workerGroupSpecs"][0] |= {"numOfHosts": 1, "priority": 0}
    for template in (live["headGroupSpec"]["template"], live["workerGroupSpecs"][0]["template"]):
        template["metadata"]["creationTimestamp"] = None
        for container in template["spec"]["containers"]:
            for port in container.get("ports", []):
                port["protocol"] = "TCP"
            container["livenessProbe"] = {}
    assert spec_digest(live) == spec_digest(spec())

"""The Python client, synchronous and asynchronous, as the operator and the tests use it."""

import asyncio

import pytest
from kubernetes import client, config, watch
from kubernetes.aio import client as aio_client
from kubernetes.aio import config as aio_config
from kubernetes.aio import watch as aio_watch
from kubernetes.client.exceptions import ApiException
from tests.support.cluster import Cluster


@pytest.fixture
def api(cluster: Cluster) -> client.ApiClient:
    """A client of the cluster."""
    return config.new_client_from_config(str(cluster.kubeconfig))


def test_typed_objects(api: client.ApiClient, namespace: str) -> None:
    core = client.CoreV1Api(api)
    made = core.create_namespaced_secret(
        namespace, client.V1Secret(metadata=client.V1ObjectMeta(name="s"), string_data={"k": "v"})
    )
    assert made.data == {"k": "dg=="}
    assert made.metadata.creation_timestamp is not None
    listed = core.list_namespaced_secret(namespace)
    assert [item.metadata.name for item in listed.items] == ["s"]
    patched = core.patch_namespaced_secret("s", namespace, {"metadata": {"labels": {"a": "b"}}})
    assert patched.metadata.labels == {"a": "b"}
    core.delete_namespaced_secret("s", namespace)
    with pytest.raises(ApiException) as refused:
        core.read_namespaced_secret("s", namespace)
    assert refused.value.status == 404


def test_typed_rights(api: client.ApiClient, namespace: str) -> None:
    rbac = client.RbacAuthorizationV1Api(api)
    rule = client.V1PolicyRule(api_groups=[""], resources=["secrets"], verbs=["get"], resource_names=["s"])
    rbac.create_namespaced_role(namespace, client.V1Role(metadata=client.V1ObjectMeta(name="r"), rules=[rule]))
    reference = client.V1RoleRef(api_group="rbac.authorization.k8s.io", kind="Role", name="r")
    subject = client.RbacV1Subject(kind="ServiceAccount", name="default", namespace=namespace)
    binding = client.V1RoleBinding(metadata=client.V1ObjectMeta(name="r"), role_ref=reference, subjects=[subject])
    made = rbac.create_namespaced_role_binding(namespace, binding)
    assert made.role_ref.name == "r"


def test_typed_pods_and_leases(api: client.ApiClient, namespace: str) -> None:
    core = client.CoreV1Api(api)
    container = client.V1Container(
        name="c", image="none", resources=client.V1ResourceRequirements(limits={"cpu": "1", "memory": "1Gi"})
    )
    pod = client.V1Pod(metadata=client.V1ObjectMeta(generate_name="p-"), spec=client.V1PodSpec(containers=[container]))
    made = core.create_namespaced_pod(namespace, pod)
    made.status.phase = "Running"
    assert core.replace_namespaced_pod_status(made.metadata.name, namespace, made).status.phase == "Running"
    leases = client.CoordinationV1Api(api)
    lease = leases.create_namespaced_lease(
        namespace,
        client.V1Lease(metadata=client.V1ObjectMeta(name="l"), spec=client.V1LeaseSpec(holder_identity="a")),
    )
    lease.spec.holder_identity = "b"
    leases.replace_namespaced_lease("l", namespace, lease)
    with pytest.raises(ApiException) as refused:
        leases.replace_namespaced_lease("l", namespace, lease)
    assert refused.value.status == 409


def test_custom_objects(api: client.ApiClient, cluster: Cluster, namespace: str) -> None:
    custom = client.CustomObjectsApi(api)
    where = (cluster.widget_group, "v1", namespace, "widgets")
    made = custom.create_namespaced_custom_object(*where, cluster.widget("w"))
    assert made["spec"]["color"] == "red"
    custom.patch_namespaced_custom_object_status(*where, "w", {"status": {"phase": "Up"}})
    assert custom.get_namespaced_custom_object(*where, "w")["status"] == {"phase": "Up"}


def test_watching(api: client.ApiClient, namespace: str) -> None:
    core = client.CoreV1Api(api)
    version = core.list_namespaced_config_map(namespace).metadata.resource_version
    for name in ("a", "b"):
        core.create_namespaced_config_map(namespace, client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name)))
    seen = []
    watcher = watch.Watch()
    for event in watcher.stream(
        core.list_namespaced_config_map, namespace, resource_version=version, timeout_seconds=10
    ):
        seen.append((event["type"], event["object"].metadata.name))
        if len(seen) == 2:
            watcher.stop()
    assert seen == [("ADDED", "a"), ("ADDED", "b")]


def test_asynchronously(cluster: Cluster, namespace: str) -> None:
    async def run() -> list[tuple[str, str]]:
        settings = aio_client.Configuration()
        await aio_config.load_kube_config(str(cluster.kubeconfig), client_configuration=settings)
        async with aio_client.ApiClient(settings) as connected:
            custom = aio_client.CustomObjectsApi(connected)
            where = (cluster.widget_group, "v1", namespace, "widgets")
            made = await custom.create_namespaced_custom_object(*where, cluster.widget("w"))
            assert made["metadata"]["generation"] == 1
            seen = []
            async with aio_watch.Watch().stream(
                custom.list_namespaced_custom_object, *where, timeout_seconds=10
            ) as stream:
                async for event in stream:
                    seen.append((event["type"], event["object"]["metadata"]["name"]))
                    if len(seen) == 1:
                        await custom.delete_namespaced_custom_object(*where, "w")
                    if len(seen) == 2:
                        break
            return seen

    assert asyncio.run(run()) == [("ADDED", "w"), ("DELETED", "w")]

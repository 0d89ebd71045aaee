"""The Python client, synchronous and asynchronous, as the operator and the tests use it."""

import asyncio

import pytest
from kubernetes import client, config
from kubernetes.aio import client as aio_client
from kubernetes.aio import config as aio_config
from kubernetes.aio import watch as aio_watch
from tests.support.cluster import Cluster


@pytest.fixture
def api(cluster: Cluster) -> client.ApiClient:
    """A client of the cluster."""
    return config.new_client_from_config(str(cluster.kubeconfig))


def test_custom_objects(api: client.ApiClient, cluster: Cluster, namespace: str) -> None:
    custom = client.CustomObjectsApi(api)
    where = (cluster.widget_group, "v1", namespace, "widgets")
    made = custom.create_namespaced_custom_object(*where, cluster.widget("w"))
    assert made["spec"]["color"] == "red"
    custom.patch_namespaced_custom_object_status(*where, "w", {"status": {"phase": "Up"}})
    assert custom.get_namespaced_custom_object(*where, "w")["status"] == {"phase": "Up"}


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

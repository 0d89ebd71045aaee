"""The CustomResourceDefinitions of ray.io/v1 that the local KubeRay serves."""

from importlib import resources

import yaml

from mnist_kube.objects import Object

_FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def documents() -> list[Object]:
    """RayCluster and RayJob as CustomResourceDefinition objects."""
    entries = sorted(resources.files(__package__).iterdir(), key=lambda item: item.name)
    texts = [entry.read_text() for entry in entries if entry.name.endswith(".yaml")]
    return [yaml.load(text, Loader=_FAST) for text in texts]  # noqa: S506 - a safe loader

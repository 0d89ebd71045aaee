"""The CustomResourceDefinitions of ray.io/v1 that the local KubeRay serves."""

from importlib import resources

import yaml

from mnist_kube.objects import Object


def documents() -> list[Object]:
    """RayCluster and RayJob as CustomResourceDefinition objects, free of YAML aliases."""
    entries = sorted(resources.files(__package__).iterdir(), key=lambda item: item.name)
    return [yaml.safe_load(entry.read_text()) for entry in entries if entry.name.endswith(".yaml")]

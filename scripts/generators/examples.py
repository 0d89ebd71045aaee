"""The examples of own code: a ConfigMap with the script beside it, and the training that runs it, in one file."""

from __future__ import annotations

from pathlib import Path

import yaml

_SPECS = {
    "own-network": {
        "code": {"module": "resnet:build", "configMap": {"name": "own-network"}},
        "training": {"epochs": 5},
        "workers": {"replicas": 2},
    },
    "ray-train": {
        "code": {"command": ["python", "train_mnist_ray.py", "--epochs", "5"], "configMap": {"name": "ray-train"}},
        "workers": {"replicas": 2},
    },
    "plain-torch": {
        "code": {"command": ["python", "train.py", "--epochs", "5"], "configMap": {"name": "plain-torch"}},
        "workers": {"replicas": 1},
    },
}
_STORAGE = {"dataset": "s3://datasets/digits", "output": "s3://models"}


def own_network(root: Path) -> str:
    """`examples/own-network/training.yaml`."""
    return _manifest(root, "own-network", "A network of your own, trained by our recipe.")


def ray_train(root: Path) -> str:
    """`examples/ray-train/training.yaml`."""
    return _manifest(root, "ray-train", "A script of your own that trains with Ray Train.")


def plain_torch(root: Path) -> str:
    """`examples/plain-torch/training.yaml`."""
    return _manifest(root, "plain-torch", "A script of your own that trains with PyTorch alone, on the Ray head.")


def _manifest(root: Path, name: str, title: str) -> str:
    folder = root / "examples" / name
    lines = [
        f"# {title} The ConfigMap has the files beside this one: `make generate` puts them in.",
        "apiVersion: v1",
        "kind: ConfigMap",
        f"metadata: {{name: {name}}}",
        "data:",
    ]
    for path in sorted(folder.glob("*.py")):
        lines.append(f"  {path.name}: |")
        lines += [f"    {line}".rstrip() for line in path.read_text(encoding="utf-8").splitlines()]
    training = {
        "apiVersion": "mnist.training/v1alpha1",
        "kind": "MnistTraining",
        "metadata": {"name": name},
        "spec": {**_SPECS[name], "storage": _STORAGE},
    }
    return "\n".join(lines) + "\n---\n" + yaml.safe_dump(training, sort_keys=False, width=120)

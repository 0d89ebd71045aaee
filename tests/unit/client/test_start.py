"""The client is small: it needs neither Ray nor PyTorch nor kopf, and importing it costs next to nothing."""

from __future__ import annotations

import subprocess
import sys

import mnist_client

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"ray", "torch", "kopf", "kubernetes", "mnist_local", "mnist_cli"}:
            raise AssertionError(f"{name} was imported")

sys.meta_path.insert(0, Blocked())
import mnist_client
for name in mnist_client.__all__:
    getattr(mnist_client, name)
training = mnist_client.Training("mnist", workers=3, epochs=2)
assert training.spec.workers.replicas == 3
try:
    mnist_client.Client(kubeconfig="nowhere")
except mnist_client.ConnectionFailedError as error:
    print(error.message)
"""


def test_it_works_where_ray_torch_and_kopf_are_not_installed() -> None:
    ran = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == "kubeconfig nowhere: there is no such file\n"


def test_importing_it_imports_nothing_heavy() -> None:
    heavy = {"aiohttp", "asyncio", "minio", "numpy", "onnxruntime", "pydantic", "rich", "urllib3", "yaml"}
    code = f"import sys, mnist_client; print(sorted({heavy} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "[]"


def test_every_name_that_is_promised_is_there() -> None:
    assert sorted(mnist_client.__all__) == mnist_client.__all__
    for name in mnist_client.__all__:
        assert getattr(mnist_client, name).__name__ == name
    assert set(mnist_client.__all__) <= set(dir(mnist_client))

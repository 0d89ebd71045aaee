"""What the package needs and what it knows."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mnist_kube.resources import EVENTS, PODS, SECRETS, TRAININGS, collection_of, path_of, resource_of
from mnist_operator.api import names


def test_it_needs_neither_the_generated_client_nor_any_of_our_other_parts() -> None:
    modules = "client connection errors events informer kubeconfig lease objects pacing quantity queue resources times"
    code = f"import sys; {'; '.join(f'import mnist_kube.{name}' for name in modules.split())}; "
    code += "print([m for m in sys.modules if m.split('.')[0] in "
    code += "('kubernetes', 'kopf', 'pydantic', 'ray', 'torch', 'yaml', 'mnist_operator', 'mnist_local')])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "[]"


def test_trainings_are_known_here_as_the_operator_defines_them() -> None:
    assert (TRAININGS.api_version, TRAININGS.plural, TRAININGS.kind) == (names.API_VERSION, names.PLURAL, names.KIND)


def test_paths_are_those_of_the_api() -> None:
    assert PODS.path() == "/api/v1/pods"
    assert PODS.path("ns", "a", "log") == "/api/v1/namespaces/ns/pods/a/log"
    assert TRAININGS.path("ns") == "/apis/mnist.training/v1alpha1/namespaces/ns/mnisttrainings"
    assert SECRETS.path("ns", "a/../b") == "/api/v1/namespaces/ns/secrets/a/../b".replace("a/../b", "a%2F..%2Fb")
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "ns", "name": "s"}}
    assert path_of(manifest) == "/api/v1/namespaces/ns/secrets/s"
    assert collection_of(manifest) == "/api/v1/namespaces/ns/secrets"
    assert resource_of("events.k8s.io/v1", "Event") == EVENTS
    with pytest.raises(KeyError):
        resource_of("v1", "Unheard")

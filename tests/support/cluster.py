"""A Kubernetes cluster as the conformance tests use it: raw requests, `kubectl`, a namespace of its own."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.support import blocking
from tests.support.wait import wait_for

from mnist_kube.client import KubeApi
from mnist_kube.connection import Connection
from mnist_kube.kubeconfig import load

Obj = dict[str, Any]
_WRITTEN = "/?&=%:,;@!$'()*+~#[]"  # what a path with a query may hold as it is

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request; `body` is parsed where it is JSON."""

    status: int
    headers: Any
    body: Any

    @property
    def warnings(self) -> list[str]:
        """The texts of the Warning headers."""
        return [
            value.split('"', 1)[1].rsplit('"', 1)[0].replace('\\"', '"') for value in self.headers.getall("Warning", ())
        ]

    @property
    def fields(self) -> set[str]:
        """The fields named by the causes of a refusal."""
        return {cause["field"] for cause in self.body.get("details", {}).get("causes", [])}


@dataclass(slots=True)
class Cluster:
    """Access to a cluster as its administrator."""

    kubeconfig: Path
    api: KubeApi
    anonymous: KubeApi
    """The same server without credentials: a client certificate would outrank a token."""
    widget_group: str = ""
    _cache: tempfile.TemporaryDirectory[str] = field(default_factory=tempfile.TemporaryDirectory)

    @classmethod
    def connect(cls, kubeconfig: Path) -> Cluster:
        """Read the current context of a kubeconfig."""
        connection = load(kubeconfig)

        def opened(identity: Connection) -> KubeApi:
            return blocking.make(lambda: KubeApi(identity, user_agent="conformance/1"))

        return cls(kubeconfig, opened(connection), opened(connection.with_token("")))

    @property
    def url(self) -> str:
        """The server's address."""
        return self.api.connection.server

    def close(self) -> None:
        """Close connections and remove what was written for them."""
        blocking.wait(self.api.close())
        blocking.wait(self.anonymous.close())
        self._cache.cleanup()

    def request(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json",
        accept: str = "application/json", headers: dict[str, str] | None = None, token: str | None = None,
    ) -> Answer:  # fmt: skip
        """Send one request; a body that is no text is sent as JSON."""
        sent = {"Accept": accept, **(headers or {})}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None:
            sent["Content-Type"] = content_type
        data = body.encode() if isinstance(body, str) else body
        api = self.api if token is None else self.anonymous
        answer = blocking.wait(api.send(method, quote(path, safe=_WRITTEN), data, sent))
        text = answer.body.decode()
        return Answer(answer.status, answer.headers, json.loads(text) if text.startswith("{") else text)

    def expect(self, status: int, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        """Send one request that must be answered with a status."""
        answer = self.request(method, path, body, **more)
        assert answer.status == status, f"{method} {path}: {answer.status} {answer.body}"
        return answer

    @contextmanager
    def watching(self, path: str, **query: Any) -> Iterator[Iterator[Obj]]:
        """Open a watch; yields its events, each a dict of type and object."""
        joined = "&".join(f"{key}={value}" for key, value in {"watch": "1", "timeoutSeconds": 20, **query}.items())
        target = path + ("&" if "?" in path else "?") + joined
        chunks, stop = blocking.stream(self.api, target)
        try:
            yield _events(chunks)
        finally:
            stop()

    @property
    def env(self) -> dict[str, str]:
        """The environment for kubectl: this cluster, and a discovery cache of its own (groups come and go here)."""
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": self._cache.name}

    def start_kubectl(self, *arguments: str) -> subprocess.Popen[str]:
        """Start kubectl without waiting for it; its output is piped."""
        return subprocess.Popen(["kubectl", *arguments], stdout=subprocess.PIPE, text=True, env=self.env)

    def kubectl(
        self, *arguments: str, stdin: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl; fails with its output where it does, unless `check` is off."""
        done = subprocess.run(
            ["kubectl", *arguments], input=stdin, capture_output=True, text=True, timeout=60,
            env=self.env,
        )  # fmt: skip
        if check:
            assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done

    def core(self, namespace: str, plural: str, name: str = "") -> str:
        """Return the path of a core resource."""
        return f"/api/v1/namespaces/{namespace}/{plural}" + (f"/{name}" if name else "")

    def widgets(self, namespace: str, name: str = "") -> str:
        """Return the path of the test's custom resource."""
        base = f"/apis/{self.widget_group}/v1/namespaces/{namespace}/widgets"
        return base + (f"/{name}" if name else "")

    def widget(self, name: str, spec: Obj | None = None, **metadata: Any) -> Obj:
        """Return a manifest of the test's custom resource."""
        return {
            "apiVersion": f"{self.widget_group}/v1",
            "kind": "Widget",
            "metadata": {"name": name, **metadata},
            "spec": {"size": 1} if spec is None else spec,
        }


def _events(chunks: Iterator[bytes]) -> Iterator[Obj]:
    pending = b""
    for chunk in chunks:
        *lines, pending = (pending + chunk).split(b"\n")
        yield from (json.loads(line) for line in lines if line.strip())


def widget_crd(group: str) -> Obj:
    """Return the definition of the test's custom resource."""
    spec = {
        "type": "object",
        "description": "What is wished for.",
        "required": ["size"],
        "properties": {
            "size": {"type": "integer", "minimum": 1, "maximum": 10, "description": "How big it is."},
            "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
            "note": {"type": "string", "maxLength": 20},
            "parts": {
                "type": "array",
                "maxItems": 10,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {
                        "name": {"type": "string", "maxLength": 10},
                        "count": {"type": "integer", "default": 1},
                    },
                },
            },
            "tags": {"type": "object", "additionalProperties": {"type": "string"}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
        "x-kubernetes-validations": [
            {"rule": "self.size < 10 || self.color == 'blue'", "message": "big ones are blue"},
            {"rule": "!has(oldSelf.note) || has(self.note)", "message": "a note stays"},
        ],
    }
    status = {
        "type": "object",
        "properties": {
            "phase": {"type": "string"},
            "count": {"type": "integer"},
            "ready": {"type": "boolean"},
            "since": {"type": "string", "format": "date-time"},
            "conditions": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
                "items": {
                    "type": "object",
                    "required": ["type", "status"],
                    "properties": {"type": {"type": "string"}, "status": {"type": "string"}},
                },
            },
        },
    }
    properties = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        "spec": spec,
        "status": status,
    }
    schema = {"type": "object", "description": "A thing to test with.", "required": ["spec"], "properties": properties}
    columns = [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "Phase", "type": "string", "jsonPath": ".status.phase", "description": "Where it stands."},
        {"name": "Up", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Up")].status'},
        {"name": "Note", "type": "string", "jsonPath": ".spec.note", "priority": 1},
        {"name": "Since", "type": "date", "jsonPath": ".status.since"},
    ]
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": {
            "status": {},
            "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.count"},
        },
        "additionalPrinterColumns": columns,
        "schema": {"openAPIV3Schema": schema},
    }
    names = {
        "kind": "Widget", "plural": "widgets", "singular": "widget", "shortNames": ["wdg"], "categories": ["toys"],
    }  # fmt: skip
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }


CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@contextmanager
def widget_definition(cluster: Cluster) -> Iterator[None]:
    """Define the test's custom resource under a group of its own, and take it away again."""
    group = f"c{secrets.token_hex(4)}.conformance.example.com"
    name = f"widgets.{group}"
    cluster.expect(201, "POST", CRDS, widget_crd(group))
    try:
        cluster.widget_group = group
        wait_for(lambda: cluster.request("GET", f"/apis/{group}/v1/widgets").status == 200, f"{name} is not served")
        # Discovery follows a little later on a real server, and kubectl needs it.
        wait_for(lambda: cluster.request("GET", f"/apis/{group}/v1").status == 200, f"{name} is not discovered")
        yield
    finally:
        cluster.request("DELETE", f"{CRDS}/{name}")


@contextmanager
def new_namespace(cluster: Cluster, labels: dict[str, str] | None = None) -> Iterator[str]:
    """Make a namespace with a random name, and delete it (without waiting) at the end."""
    name = f"conf-{secrets.token_hex(5)}"
    cluster.expect(201, "POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels or {}}})
    wait_for(
        lambda: cluster.request("GET", cluster.core(name, "serviceaccounts", "default")).status == 200,
        "the namespace got no default ServiceAccount: does a controller manager run?",
    )
    try:
        yield name
    finally:
        cluster.request("DELETE", f"/api/v1/namespaces/{name}")

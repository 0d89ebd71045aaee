"""Ray's own dashboard through the portal: from another origin, as the person, with Ray's token added on the way."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
import requests
from tests.integration.portal.test_rights import free_port
from tests.support.portal import RunningPortal

from mnist_kube.connection import Connection
from mnist_portal.settings import Mode

PROXY = "/api/v1/namespaces/lab/services/wb-head-svc:8265/proxy/"


class FakeCluster:
    """An API server with one RayCluster, and what it was asked for."""

    def __init__(self) -> None:
        self.may_proxy = True
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                cluster.answer(self, "GET", b"")

            def do_POST(self) -> None:
                cluster.answer(self, "POST", self.rfile.read(int(self.headers["Content-Length"])))

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.connection = Connection(f"http://127.0.0.1:{self._server.server_port}")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, handler: BaseHTTPRequestHandler, method: str, body: bytes) -> None:
        names = set(handler.headers)
        headers = {name: ", ".join(handler.headers.get_all(name) or []) for name in names}
        self.asked.append((method, handler.path, headers))
        path = urlsplit(handler.path).path
        kind, data = "application/json", b""
        found: Any = None
        if path.endswith("selfsubjectreviews"):
            found = {"status": {"userInfo": {"username": "ada"}}}
        elif path.endswith("selfsubjectaccessreviews"):
            asked = orjson.loads(body)["spec"]["resourceAttributes"]
            found = {"status": {"allowed": self.may_proxy or asked["subresource"] != "proxy"}}
        elif path.endswith("/rayclusters/wb"):
            found = {
                "metadata": {"name": "wb", "namespace": "lab", "uid": "u"}, "spec": {"authOptions": {"mode": "token"}},
                "status": {"head": {"serviceName": "wb-head-svc"}},
            }  # fmt: skip
        elif path.endswith("/secrets/wb"):
            found = {"data": {"auth_token": base64.b64encode(b"ray-secret").decode()}}
        elif path.startswith(PROXY):
            kind, data = "text/html", b"<h1>Ray</h1><script>1</script>"
        status = 200 if found is not None or data else 404
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Set-Cookie", "evil=1")
        content = data or orjson.dumps(found or {})
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    made = FakeCluster()
    yield made
    made.close()


@pytest.fixture
def pod(cluster: FakeCluster) -> Iterator[RunningPortal]:
    running = RunningPortal.pod(cluster.connection, free_port(), ray_port=0)
    yield running
    running.close()


@pytest.fixture
def browser() -> requests.Session:
    made = requests.Session()
    made.headers["Authorization"] = "Bearer adas-own-token"
    return made


def test_it_comes_from_another_origin_as_the_person_with_rays_token(
    cluster: FakeCluster, pod: RunningPortal, browser: requests.Session
) -> None:
    opened = browser.get(f"{pod.address}/clusters/lab/wb/dashboard", allow_redirects=False, timeout=30)
    assert opened.status_code == 303
    address = opened.headers["Location"]
    assert urlsplit(address).port != pod.server.port
    page = requests.get(f"{address}static/app.js?v=1", timeout=30)  # nobody's cookies, nobody's token
    assert page.text == "<h1>Ray</h1><script>1</script>"
    method, path, headers = cluster.asked[-1]
    assert (method, path) == ("GET", f"{PROXY}static/app.js?v=1")
    assert headers["Authorization"] == "Bearer adas-own-token"
    assert headers["X-Ray-Authorization"] == "Bearer ray-secret"
    assert "Set-Cookie" not in page.headers
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "ray-secret" not in str(opened.headers) + opened.text + page.text + str(page.headers)


def test_behind_a_trusted_proxy_the_api_server_is_asked_as_the_user_that_the_proxy_names(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    secret, token = "s" * 40, tmp_path / "token"
    (tmp_path / "secret").write_text(secret)
    token.write_text("the-pods-own")
    server = replace(cluster.connection, token_file=token)
    pod = RunningPortal.pod(server, free_port(), mode=Mode.HEADER, proxy_secret_file=tmp_path / "secret", ray_port=0)
    told = {"X-Forwarded-User": "ada", "X-Forwarded-Groups": "ml,ops"}
    try:
        where = f"{pod.address}/clusters/lab/wb/dashboard"
        refused = requests.get(where, headers=told, allow_redirects=False, timeout=30)
        assert refused.status_code == 401
        assert cluster.asked == []
        proved = {**told, "X-Portal-Proxy-Secret": secret}
        opened = requests.get(where, headers=proved, allow_redirects=False, timeout=30)
        assert opened.status_code == 303
        assert cluster.asked
        for _, _, headers in cluster.asked:
            assert headers["Authorization"] == "Bearer the-pods-own"
            assert headers["Impersonate-User"] == "ada"
            assert headers["Impersonate-Group"] == "ml, ops"
        # The cookie alone, without the proxy's word, is nobody.
        assert requests.get(where, cookies=opened.cookies, allow_redirects=False, timeout=30).status_code == 401
    finally:
        pod.close()


def test_it_can_only_be_looked_at(pod: RunningPortal, browser: requests.Session) -> None:
    opened = browser.get(f"{pod.address}/clusters/lab/wb/dashboard", allow_redirects=False, timeout=30)
    assert requests.post(f"{opened.headers['Location']}api/jobs/", json={}, timeout=30).status_code == 405


def test_its_address_is_good_as_long_as_the_session(
    cluster: FakeCluster, pod: RunningPortal, browser: requests.Session
) -> None:
    opened = browser.get(f"{pod.address}/clusters/lab/wb/dashboard", allow_redirects=False, timeout=30)
    address = opened.headers["Location"]
    assert requests.get(address, timeout=30).status_code == 200
    assert requests.get(address.replace(address.rsplit("/", 2)[1], "guessed"), timeout=30).status_code == 403
    assert requests.get(address, headers={"Host": "evil.example"}, timeout=30).status_code == 421
    pod.server.portal.sessions.sweep()
    for session in list(pod.server.portal.sessions._by_id.values()):
        pod.server.portal.sessions.end(session)
    before = len(cluster.asked)
    assert requests.get(address, timeout=30).status_code == 403
    assert len(cluster.asked) == before


def test_who_lacks_the_right_gets_no_ticket(
    cluster: FakeCluster, pod: RunningPortal, browser: requests.Session
) -> None:
    cluster.may_proxy = False
    answer = browser.get(f"{pod.address}/clusters/lab/wb/dashboard", allow_redirects=False, timeout=30)
    assert answer.status_code == 403
    assert "may not get services/proxy" in answer.text


@pytest.mark.parametrize("path", ["../../secrets/wb", "..%2f..%2fsecrets", "%2e%2e/%2e%2e/secrets/wb"])
def test_no_path_leads_out_of_the_dashboard(
    cluster: FakeCluster, pod: RunningPortal, browser: requests.Session, path: str
) -> None:
    opened = browser.get(f"{pod.address}/clusters/lab/wb/dashboard", allow_redirects=False, timeout=30)
    before = len(cluster.asked)
    request = requests.Request("GET", opened.headers["Location"]).prepare()
    request.url = opened.headers["Location"] + path
    requests.Session().send(request, timeout=30)
    for _, asked, _ in cluster.asked[before:]:
        assert asked.startswith(PROXY), asked
        assert "/../" not in asked

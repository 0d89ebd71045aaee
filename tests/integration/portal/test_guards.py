"""What stands before every page: the Host, the Origin, the session's token, the headers, the one-time address."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
import requests
from tests.support.portal import PortalScene, RunningPortal
from tests.support.wait import wait_for


@pytest.fixture
def browser(portal: RunningPortal) -> requests.Session:
    """Somebody who has opened the one-time address."""
    made = requests.Session()
    assert made.get(portal.entrance, timeout=30).status_code == 200
    return made


def csrf(browser: requests.Session, portal: RunningPortal) -> str:
    found = re.search(r'X-CSRF-Token": "([^"]+)"', browser.get(f"{portal.address}/trainings", timeout=30).text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil:{port}"]
)
def test_a_name_that_was_pointed_here_is_told_nothing(
    portal: RunningPortal, browser: requests.Session, host: str
) -> None:
    host = host.format(port=portal.server.port)
    answer = browser.get(f"{portal.address}/trainings", headers={"Host": host}, timeout=30)
    assert answer.status_code == 421
    assert "html" not in answer.text


def test_localhost_is_a_name_of_this_machine(portal: RunningPortal) -> None:
    answer = requests.get(f"http://localhost:{portal.server.port}/login", timeout=30)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},  # another port of this machine
        {},
    ],
)
def test_a_change_that_comes_from_elsewhere_is_not_made(
    scene: PortalScene, portal: RunningPortal, browser: requests.Session, headers: dict[str, str]
) -> None:
    scene.running("runs")
    url = f"{portal.address}/trainings/{scene.namespace}/runs/suspend"
    answer = browser.post(url, data={"csrf": csrf(browser, portal)}, headers=headers, timeout=30)
    assert answer.status_code == 403
    assert "did not come from this page" in answer.text
    assert not (scene.get("runs") or {})["spec"].get("runPolicy", {}).get("suspend", False)


@pytest.mark.parametrize("token", ["", "wrong", "é"])
def test_a_change_without_the_sessions_token_is_not_made(
    scene: PortalScene, portal: RunningPortal, browser: requests.Session, token: str
) -> None:
    scene.running("runs")
    url = f"{portal.address}/trainings/{scene.namespace}/runs/suspend"
    answer = browser.post(url, data={"csrf": token}, headers={"Origin": portal.address}, timeout=30)
    assert answer.status_code == 403
    assert "This page is too old" in answer.text
    assert not (scene.get("runs") or {})["spec"].get("runPolicy", {}).get("suspend", False)


def test_with_both_it_is_made(scene: PortalScene, portal: RunningPortal, browser: requests.Session) -> None:
    scene.running("runs")
    url = f"{portal.address}/trainings/{scene.namespace}/runs/suspend"
    answer = browser.post(
        url, data={"csrf": csrf(browser, portal)}, headers={"Origin": portal.address}, timeout=30, allow_redirects=False
    )
    assert answer.status_code == 303
    assert (scene.get("runs") or {})["spec"].get("runPolicy", {}).get("suspend", False)


def test_the_address_opens_the_portal_once(portal: RunningPortal) -> None:
    entrance = portal.entrance
    first = requests.get(entrance, timeout=30, allow_redirects=False)
    assert first.status_code == 303
    cookie = first.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert requests.get(entrance, timeout=30).status_code == 403
    assert portal.entrance != entrance
    assert requests.get(portal.entrance, timeout=30).status_code == 200


def test_without_a_session_there_is_nothing_but_the_way_in(portal: RunningPortal, scene: PortalScene) -> None:
    for path in ("/", "/trainings", f"/trainings/{scene.namespace}/x", "/trainings/rows"):
        answer = requests.get(portal.address + path, timeout=30, allow_redirects=False)
        assert answer.status_code == 303, path
        assert urlsplit(answer.headers["Location"]).path == "/login"
    events = requests.get(
        f"{portal.address}/trainings/events", headers={"Accept": "text/event-stream"}, timeout=30, allow_redirects=False
    )
    assert events.status_code == 401


def test_a_link_from_another_site_is_followed_with_the_cookie_that_the_browser_kept_back(portal: RunningPortal) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    answer = requests.get(f"{portal.address}/trainings?q=a%22b", headers=headers, timeout=30, allow_redirects=False)
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0;url=/trainings?q=a%22b">' in answer.text


@pytest.mark.parametrize(
    "target", ["//evil.example/", "https://evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_no_address_leads_on_to_another_site(portal: RunningPortal, target: str) -> None:
    answer = requests.get(f"{portal.entrance}", params={"next": target}, timeout=30, allow_redirects=False)
    assert answer.headers["Location"] == "/"


def test_every_answer_carries_the_policy(portal: RunningPortal, browser: requests.Session) -> None:
    for path in ("/trainings", "/login", "/static/app.js", "/nothing", "/enter?token=wrong"):
        headers = browser.get(portal.address + path, timeout=30).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"


def test_what_a_training_says_is_text_and_never_a_part_of_the_page(
    scene: PortalScene, portal: RunningPortal, browser: requests.Session
) -> None:
    scene.running("runs")
    scene.status("runs", message='<script>alert(1)</script><img src=x onerror="alert(2)">')
    for path in ("/trainings", f"/trainings/{scene.namespace}/runs"):

        def shown(path: str = path) -> str:
            text = browser.get(portal.address + path, timeout=30).text
            return text if "alert(1)" in text else ""

        text = wait_for(shown, "what the training says")
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert "&lt;script&gt;alert(1)" in text

"""A pod's portal does for its users what kubectl would, and nothing more: tokens, rights, expiry, the trusted proxy."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Page, expect
from tests.integration.portal.conftest import Watched
from tests.support.portal import EDIT, VIEW, PortalScene, RunningPortal
from tests.support.wait import wait_for


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def pod(scene: PortalScene) -> Iterator[RunningPortal]:
    """The portal as the chart's pod runs it, over plain HTTP on loopback."""
    running = RunningPortal.pod(scene.connection, free_port(), feed_idle_seconds=0.5, verify_seconds=1.0)
    yield running
    running.close()


def sign_in(watched: Watched, pod: RunningPortal, token: str, path: str = "/trainings") -> Page:
    page = watched.open(f"{pod.address}{path}", pod.address)
    page.get_by_label("Token").fill(f"  {token}\n")
    page.get_by_role("button", name="Sign in").click()
    return page


def test_two_users_see_and_may_do_what_their_roles_say(
    scene: PortalScene, pod: RunningPortal, watched: Watched
) -> None:
    scene.running("runs")
    one, two = scene.user("editor", EDIT), scene.user("viewer", VIEW)
    path = f"/trainings/{scene.namespace}/runs"
    editor, viewer = (sign_in(watched, pod, token, path) for token in (one, two))
    for page, name in ((editor, "editor"), (viewer, "viewer")):
        expect(page.locator("header")).to_contain_text(f"system:serviceaccount:{scene.namespace}:{name}")
        expect(page.locator("h1")).to_have_text("runs")
    assert editor.locator("a.button", has_text="Suspend").get_attribute("aria-disabled") is None
    suspend = viewer.locator("a.button", has_text="Suspend")
    assert suspend.get_attribute("aria-disabled") == "true"
    assert "may not patch mnisttrainings" in (suspend.get_attribute("title") or "")
    # Whoever goes round the button is refused by the API server itself.
    watched.forgiven.append("403")
    viewer.goto(f"{pod.address}{path}/suspend")
    viewer.evaluate("document.querySelector('form button[disabled]').disabled = false")
    viewer.get_by_role("button", name="Suspend").click()
    expect(viewer.locator("h1")).to_have_text("You may not do that")
    assert not (scene.get("runs") or {})["spec"].get("runPolicy", {}).get("suspend", False)
    # And the editor may.
    editor.get_by_role("link", name="Suspend").click()
    editor.get_by_role("button", name="Suspend").click()
    wait_for(lambda: (scene.get("runs") or {})["spec"].get("runPolicy", {}).get("suspend", False), "the suspension")


def test_a_user_sees_only_the_namespaces_that_they_may_list(
    scene: PortalScene, pod: RunningPortal, watched: Watched
) -> None:
    scene.running("runs")
    page = sign_in(watched, pod, scene.user("viewer", VIEW))
    expect(page.locator("#table")).to_contain_text("You may list trainings in no namespace that is known here")
    page.get_by_label("Another one:").fill(scene.namespace)
    page.get_by_role("button", name="Look there").click()
    expect(page.locator(f"#row-{scene.namespace}--runs")).to_be_visible()
    watched.forgiven.append("403")
    page.goto(f"{pod.address}/trainings?namespace=kube-system")
    expect(page.locator("h1")).to_have_text("You may not see these trainings")


def test_a_token_that_has_run_out_is_said_on_the_page_and_at_the_next_click(
    scene: PortalScene, pod: RunningPortal, watched: Watched
) -> None:
    scene.running("runs")
    token = scene.user("passing", VIEW)
    page = sign_in(watched, pod, token, f"/trainings/{scene.namespace}/runs")
    expect(page.locator("#live")).to_have_text("Live")
    watched.forgiven += ["401", "422"]
    scene.kube.delete(f"/api/v1/namespaces/{scene.namespace}/serviceaccounts/passing")
    expect(page.locator("#problem")).to_contain_text("Your session has ended", timeout=30_000)
    page.reload()
    expect(page.locator("h1")).to_have_text("Your credentials have run out")
    page.get_by_role("link", name="Sign in").click()
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("main")).to_contain_text("The API server does not know this token")
    assert token not in page.content()


def test_signing_out_ends_the_session_and_its_watches(scene: PortalScene, pod: RunningPortal, watched: Watched) -> None:
    page = sign_in(watched, pod, scene.user("editor", EDIT), f"/trainings?namespace={scene.namespace}")
    expect(page.locator("#live")).to_have_text("Live")
    hub = pod.server.portal.hub
    assert hub.watches >= 1
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("h1")).to_have_text("Sign in")
    wait_for(lambda: hub.watches == 0, "the end of the watches")
    page.go_back()
    expect(page.locator("h1")).to_have_text("Sign in")


def test_a_bearer_token_that_a_proxy_passes_on_needs_no_login(scene: PortalScene, pod: RunningPortal) -> None:
    scene.running("runs")
    headers = {"Authorization": f"Bearer {scene.user('viewer', VIEW)}"}
    page = requests.get(f"{pod.address}/trainings?namespace={scene.namespace}", headers=headers, timeout=30)
    assert page.status_code == 200
    assert f"row-{scene.namespace}--runs" in page.text
    # The cookie alone is the same session; with another token it is another person's.
    other = {"Authorization": f"Bearer {scene.user('nobody', None)}"}
    refused = requests.get(
        f"{pod.address}/trainings?namespace={scene.namespace}", headers=other, cookies=page.cookies, timeout=30
    )
    assert refused.status_code == 403


def test_no_page_and_no_log_holds_the_token(
    scene: PortalScene, pod: RunningPortal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    token = scene.user("editor", EDIT)
    scene.running("runs")
    with requests.Session() as browser:
        browser.headers["Authorization"] = f"Bearer {token}"
        for path in ("", "/runs", "/runs/pods", "/runs/logs", "/runs/manifest", "/runs/delete"):
            answer = browser.get(
                f"{pod.address}/trainings/{scene.namespace}{path}" if path else pod.address, timeout=30
            )
            assert token not in answer.text
            assert token not in str(answer.headers)
        assert token not in str(browser.cookies)
    assert token not in caplog.text

"""The API server away, slow, or forgetful: the page says so, and goes on when it is right again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.integration.portal.conftest import Watched
from tests.integration.portal.test_rights import free_port, sign_in
from tests.support.apiserver import ApiServer
from tests.support.kube_proxy import KubeProxy
from tests.support.portal import VIEW, PortalScene, RunningPortal
from tests.support.wait import wait_for

from mnist_kube.kubeconfig import load


class Between:
    """A portal that reaches its API server by a proxy."""

    def __init__(self, proxy: KubeProxy, portal: RunningPortal) -> None:
        self.proxy, self.portal = proxy, portal


@pytest.fixture
def between(server: ApiServer, scene: PortalScene, tmp_path: Path) -> Iterator[Between]:
    proxy = KubeProxy(server.kubeconfig, tmp_path)
    portal = RunningPortal.local(proxy.kubeconfig, namespaces=(scene.namespace,))
    yield Between(proxy, portal)
    portal.close()
    proxy.close()


@pytest.fixture
def shown(between: Between, watched: Watched, scene: PortalScene) -> Iterator[Page]:
    scene.running("runs")
    page = watched.open(between.portal.entrance, between.portal.address)
    expect(page.locator("#live")).to_have_text("Live")
    yield page
    watched.close()


def test_a_server_that_is_away_is_said_and_its_return_is_noticed(
    between: Between, shown: Page, scene: PortalScene, server: ApiServer, tmp_path: Path, watched: Watched
) -> None:
    watched.forgiven.append("503")
    between.proxy.refusing = True
    between.proxy.cut_watches()
    expect(shown.locator("#problem")).to_contain_text("The API server cannot be reached")
    expect(shown.locator("#live")).to_have_text("Out of date")
    expect(shown.locator(f"#row-{scene.namespace}--runs")).to_be_visible()  # what was known stays
    scene.report("runs", 8)
    between.proxy.refusing = False
    expect(shown.locator("#live")).to_have_text("Live")
    expect(shown.locator("#problem")).to_be_hidden()
    expect(shown.locator(f"#row-{scene.namespace}--runs")).to_contain_text("epoch 8/10")


def test_a_first_page_without_a_server_is_a_page_that_says_so(
    between: Between, watched: Watched, scene: PortalScene
) -> None:
    watched.forgiven.append("503")
    between.proxy.refusing = True
    page = watched.open(between.portal.entrance, between.portal.address)
    expect(page.locator("h1")).to_have_text("The API server cannot be reached")
    between.proxy.refusing = False
    scene.running("runs")
    page.get_by_role("link", name="To the trainings").click()
    expect(page.locator(f"#row-{scene.namespace}--runs")).to_be_visible()
    watched.close()


def test_a_version_that_is_too_old_is_no_trouble(between: Between, shown: Page, scene: PortalScene) -> None:
    """410 Gone, as after a long time without news: everything is listed again."""
    between.proxy.gone_once = True
    between.proxy.cut_watches()
    wait_for(lambda: not between.proxy.gone_once, "the watch that is told 410")
    scene.report("runs", 9)
    expect(shown.locator(f"#row-{scene.namespace}--runs")).to_contain_text("epoch 9/10")
    expect(shown.locator("#live")).to_have_text("Live")


def test_a_slow_server_holds_up_no_page_that_is_there(between: Between, shown: Page, scene: PortalScene) -> None:
    between.proxy.delay = 2.0
    shown.goto(f"{between.portal.address}/trainings?phase=Running")
    expect(shown.locator(f"#row-{scene.namespace}--runs")).to_be_visible()
    expect(shown.locator("#live")).to_have_text("Live")


def test_a_right_that_is_taken_away_is_said(scene: PortalScene, watched: Watched, server: ApiServer) -> None:
    scene.running("runs")
    portal = RunningPortal.pod(load(server.kubeconfig).with_token(""), free_port(), verify_seconds=1.0)
    try:
        page = sign_in(watched, portal, scene.user("viewer", VIEW), f"/trainings?namespace={scene.namespace}")
        expect(page.locator("#live")).to_have_text("Live")
        watched.forgiven.append("403")
        roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{scene.namespace}/rolebindings/viewer"
        scene.kube.delete(roles)
        portal.server.portal.accesses.forget_rights()
        page.reload()
        expect(page.locator("h1")).to_have_text("You may not see these trainings")
        expect(page.locator("main")).to_contain_text("may not list mnisttrainings")
    finally:
        watched.close()
        portal.close()

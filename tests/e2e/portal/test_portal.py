"""A real training, from "New training" to a drawn digit that its model answers, all in the browser."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from tests.integration.portal.conftest import Watched, check_access, chromium, watched  # noqa: F401 - fixtures
from tests.support.live import NAMESPACE, SECONDS, LiveStack
from tests.support.portal import RunningPortal

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
_MS = 1000 * SECONDS


@pytest.fixture
def page(stack: LiveStack, watched: Watched) -> Iterator[Page]:  # noqa: F811
    portal = RunningPortal.local(stack.root / "kubeconfig", namespaces=(NAMESPACE,))
    yield watched.open(portal.entrance, portal.address)
    watched.close()
    portal.close()


def draw_a_zero(page: Page) -> None:
    expect(page.locator("#pad")).to_be_visible()
    box = page.locator("#pad").bounding_box()
    assert box is not None
    for step in range(41):
        angle = 2 * math.pi * step / 40
        x, y = box["x"] + 140 + 55 * math.sin(angle), box["y"] + 140 - 85 * math.cos(angle)
        page.mouse.move(x, y)
        if step == 0:
            page.mouse.down()
    page.mouse.up()


def test_a_training_is_started_followed_and_its_model_answers_a_drawn_digit(page: Page) -> None:
    page.get_by_role("link", name="New training").first.click()
    page.get_by_label("An example").select_option("quickstart")
    page.get_by_role("button", name="Take the example").click()
    page.wait_for_url("**/new?example=quickstart")
    page.locator("#f-name").fill("from-the-browser")
    page.get_by_label("Epochs").fill("8")
    expect(page.locator("#preview")).to_contain_text("The API server would take this", timeout=_MS)
    page.get_by_role("button", name="Create the training").click()

    expect(page.locator("h1")).to_have_text("from-the-browser", timeout=_MS)

    # Not one reload from here on: what changes comes by itself.
    page.evaluate("window.stayed = true")
    head = page.locator("#head")
    expect(head).to_contain_text("Provisioning", timeout=_MS)
    expect(head).to_contain_text("training, epoch", timeout=_MS)
    expect(page.locator(".plot[data-name=loss] .u-wrap")).to_be_visible(timeout=_MS)
    expect(head).to_contain_text("Succeeded", timeout=_MS)
    assert page.evaluate("window.stayed")

    page.get_by_role("link", name="Result").click()
    expect(page.get_by_role("link", name="model.onnx")).to_be_visible(timeout=_MS)
    page.get_by_role("link", name="Logs").click()
    expect(page.locator("#log")).to_contain_text("epoch 8/8", timeout=_MS)
    page.get_by_role("link", name="Models").click()
    page.get_by_role("link", name="Draw a digit").first.click()
    draw_a_zero(page)
    expect(page.locator("#answer .answer")).to_have_text("0", timeout=_MS)

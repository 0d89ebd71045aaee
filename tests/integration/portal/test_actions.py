"""What is done from a page reaches the API server, with the rights of whoever does it, and only from the page."""

from __future__ import annotations

from playwright.sync_api import Page, expect
from tests.support.portal import PortalScene
from tests.support.wait import wait_for


def _spec(scene: PortalScene, name: str) -> dict:  # type: ignore[type-arg]
    return (scene.get(name) or {})["spec"]


def test_suspend_and_resume(scene: PortalScene, page: Page) -> None:
    scene.running("runs")
    page.get_by_role("link", name="runs").click()
    page.get_by_role("link", name="Suspend").click()
    expect(page.locator(".same")).to_contain_text("mnistctl suspend runs")
    page.get_by_role("button", name="Suspend").click()
    expect(page.get_by_text("runs is being suspended")).to_be_visible()
    assert _spec(scene, "runs")["runPolicy"]["suspend"] is True
    page.get_by_role("link", name="Resume").click()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("runs goes on")).to_be_visible()
    assert _spec(scene, "runs")["runPolicy"]["suspend"] is False


def test_scale(scene: PortalScene, page: Page) -> None:
    scene.running("runs")
    page.get_by_role("link", name="runs").click()
    page.get_by_role("link", name="Scale").click()
    page.get_by_label("Workers").fill("5")
    page.get_by_role("button", name="Scale").click()
    expect(page.get_by_text("runs is scaled to 5 workers")).to_be_visible()
    assert _spec(scene, "runs")["workers"]["replicas"] == 5


def test_delete_says_what_stays_and_takes_the_training_away(scene: PortalScene, page: Page) -> None:
    scene.succeeded("done")
    page.get_by_role("link", name="done").click()
    page.get_by_role("link", name="Delete").click()
    expect(page.get_by_text("What stays")).to_be_visible()
    expect(page.locator("main")).to_contain_text("model.safetensors")
    page.get_by_role("button", name="Delete done").click()
    expect(page.get_by_text("done is being deleted. Its model stays in the bucket.")).to_be_visible()
    wait_for(lambda: scene.get("done") is None, "the deletion")


def test_a_training_of_the_same_name_made_meanwhile_is_not_deleted(scene: PortalScene, page: Page, watched) -> None:  # type: ignore[no-untyped-def]
    watched.forgiven.append("409")
    scene.succeeded("done")
    page.get_by_role("link", name="done").click()
    page.get_by_role("link", name="Delete").click()
    scene.kube.delete(f"{scene.trainings}/done")
    wait_for(lambda: scene.get("done") is None, "the first one's end")
    second = scene.create("done")
    page.get_by_role("button", name="Delete done").click()
    expect(page.locator("h1")).to_have_text("The API server refuses that")
    assert (scene.get("done") or {})["metadata"]["uid"] == second["metadata"]["uid"]


def test_what_the_state_does_not_allow_cannot_be_done_and_says_why(scene: PortalScene, page: Page) -> None:
    scene.failed("typo")
    page.get_by_role("link", name="typo").click()
    button = page.locator("a.button", has_text="Suspend")
    assert button.get_attribute("aria-disabled") == "true"
    assert button.get_attribute("title") == "it has failed"

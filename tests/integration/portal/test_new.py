"""A new training: the form is the schema's, the API server is asked as one types, the YAML is always beside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import yaml
from playwright.sync_api import Page, Route, expect
from tests.integration.portal.conftest import Watched
from tests.support.portal import PortalScene
from tests.support.wait import wait_for


def test_a_training_is_made_from_the_form_and_followed(scene: PortalScene, page: Page) -> None:
    page.get_by_role("link", name="New training").first.click()
    page.get_by_label("Name", exact=True).fill("mine")
    page.get_by_label("Epochs").fill("3")
    page.get_by_label("Replicas", exact=True).first.fill("4")
    expect(page.locator("#preview")).to_contain_text("The API server would take this")
    shown = yaml.safe_load(page.locator("#yaml").inner_text())
    assert shown["spec"] == {"training": {"epochs": 3}, "workers": {"replicas": 4}}
    assert scene.get("mine") is None  # a dry run
    page.get_by_role("button", name="Create the training").click()
    expect(page.locator("h1")).to_have_text("mine")
    expect(page.get_by_text("mine was created")).to_be_visible()
    spec = (scene.get("mine") or {})["spec"]
    assert (spec["training"]["epochs"], spec["workers"]["replicas"]) == (3, 4)


def test_what_is_wrong_stands_at_its_field_as_one_types(scene: PortalScene, page: Page) -> None:
    page.get_by_role("link", name="New", exact=True).click()
    page.get_by_label("Name", exact=True).fill("mine")
    page.get_by_label("Replicas", exact=True).first.fill("2")
    page.get_by_label("Min replicas").first.fill("5")
    field = page.get_by_label("Min replicas").first
    expect(page.locator("#f-spec-workers-minReplicas-wrong")).to_contain_text(
        "minReplicas must not be greater than replicas"
    )
    assert field.get_attribute("aria-invalid") == "true"
    field.fill("1")
    expect(page.locator("#preview")).to_contain_text("The API server would take this")
    expect(page.locator("#f-spec-workers-minReplicas-wrong")).to_have_text("")
    page.get_by_label("Name", exact=True).fill("Not A Name")
    expect(page.locator("#preview .note.bad")).to_be_visible()


def test_a_name_that_is_taken_is_said_before_it_is_sent(scene: PortalScene, page: Page) -> None:
    scene.create("taken")
    page.get_by_role("link", name="New", exact=True).click()
    page.get_by_label("Name", exact=True).fill("taken")
    expect(page.locator("#preview")).to_contain_text('"taken" already exists')


def test_an_example_a_file_and_another_training_fill_the_form(scene: PortalScene, page: Page, tmp_path: Path) -> None:
    page.get_by_role("link", name="New", exact=True).click()
    page.get_by_label("An example").select_option("elastic")
    page.get_by_role("button", name="Take the example").click()
    expect(page.locator("#yaml")).to_contain_text("nodeSelector")
    expect(page.locator("#preview")).to_contain_text("The API server would take this")
    file = tmp_path / "training.yaml"
    manifest = {"apiVersion": "mnist.training/v1alpha1", "kind": "MnistTraining", "metadata": {"name": "filed"},
                "spec": {"training": {"model": "lenet5"}}}  # fmt: skip
    file.write_text(yaml.safe_dump(manifest))
    page.get_by_label("A manifest").set_input_files(file)
    page.get_by_role("button", name="Take the file").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("filed")
    expect(page.locator("#yaml")).to_contain_text("model: lenet5")
    scene.failed("typo")
    page.goto(f"{page.url.partition('/new')[0]}/trainings/{scene.namespace}/typo")
    page.get_by_role("link", name="Retry as new").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("typo-2")
    page.get_by_role("button", name="Create the training").click()
    wait_for(lambda: scene.get("typo-2"), "the retry")


def test_a_file_that_is_no_manifest_is_said(scene: PortalScene, page: Page, tmp_path: Path, watched: Watched) -> None:
    watched.forgiven += ["422"]
    page.get_by_role("link", name="New", exact=True).click()
    file = tmp_path / "broken.yaml"
    file.write_text("kind: [MnistTraining")
    page.get_by_label("A manifest").set_input_files(file)
    page.get_by_role("button", name="Take the file").click()
    expect(page.locator("h1")).to_have_text("That is not YAML")
    expect(page.locator("main")).to_contain_text("in line 1")


def test_an_answer_to_an_earlier_text_is_not_shown_and_none_is_said(
    scene: PortalScene, page: Page, watched: Watched
) -> None:
    page.get_by_role("link", name="New", exact=True).click()
    note = page.locator("#preview .note")
    page.get_by_label("Name", exact=True).fill("mine")
    expect(note).to_have_text("The API server would take this.")
    held: list[Route] = []
    page.route("**/new/check", lambda route: held.append(route))
    page.get_by_label("Epochs").fill("3")
    expect(note).to_have_text("Checking …")
    _until(page, lambda: len(held) == 1)
    page.get_by_label("Epochs").fill("4")
    held.pop(0).continue_()  # the answer to 3 comes now
    _until(page, lambda: len(held) == 1)
    expect(note).to_have_text("Checking …")
    expect(page.locator("#yaml")).not_to_contain_text("epochs")
    watched.forgiven += ["ERR_FAILED", "htmx:"]
    held.pop(0).abort()
    expect(note).to_have_text("The portal does not answer. Change a field to ask again.")
    page.unroute("**/new/check")
    page.get_by_label("Epochs").fill("6")
    expect(note).to_have_text("The API server would take this.")
    expect(page.locator("#yaml")).to_contain_text("epochs: 6")


def _until(page: Page, there: Callable[[], bool]) -> None:
    """Wait as Playwright does: its events come only while it is called."""
    deadline = time.monotonic() + 20
    while not there():
        assert time.monotonic() < deadline, "no request came"
        page.wait_for_timeout(20)


def test_the_form_is_accessible_and_narrow(scene: PortalScene, page: Page, check_access: object) -> None:
    page.get_by_role("link", name="New", exact=True).click()
    page.get_by_label("Name", exact=True).fill("mine")
    expect(page.locator("#preview")).to_contain_text("The API server would take this")
    check_access(page)  # type: ignore[operator]
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360

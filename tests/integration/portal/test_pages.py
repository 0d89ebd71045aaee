"""Each page in a real browser: what it shows, that it stays up to date, and that everybody can use it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from tests.support.portal import PortalScene, RunningPortal
from tests.support.wait import wait_for

Check = Callable[[Page], None]


@pytest.fixture
def lab(scene: PortalScene) -> PortalScene:
    """Trainings in every state."""
    scene.create("waits", workers={"replicas": 8})
    scene.running("runs")
    scene.succeeded("done")
    scene.failed("typo")
    labels = {"mnist.training/training": "runs"}
    scene.pod("runs-1-abcde", "[ 0.1s] starts\n[ 3.0s] epoch 1/10 loss 0.9\n", **labels)
    scene.pod("runs-x1-head", "the head\n", role="head", **labels)
    scene.event("runs-x1-head", "FailedScheduling", "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.")
    return scene


def test_the_table_shows_every_training_with_reason_and_advice(lab: PortalScene, page: Page) -> None:
    for name, phase in (("waits", "Pending"), ("runs", "Running"), ("done", "Succeeded"), ("typo", "Failed")):
        expect(page.locator(f"#row-{lab.namespace}--{name}")).to_contain_text(phase)
    expect(page.locator(f"#row-{lab.namespace}--typo")).to_contain_text("upload the four files")
    expect(page.locator(f"#row-{lab.namespace}--done")).to_contain_text("98.76 %")
    expect(page.locator(f"#row-{lab.namespace}--runs")).to_contain_text("with kubectl-create")


def test_the_table_is_live_without_a_reload(lab: PortalScene, page: Page) -> None:
    expect(page.locator("#live")).to_have_text("Live")
    page.evaluate("window.stayed = true")
    lab.report("runs", 7)
    expect(page.locator(f"#row-{lab.namespace}--runs")).to_contain_text("epoch 7/10")
    lab.create("newcomer")
    expect(page.locator(f"#row-{lab.namespace}--newcomer")).to_contain_text("Pending")
    lab.kube.delete(f"{lab.trainings}/waits")
    expect(page.locator(f"#row-{lab.namespace}--waits")).to_have_count(0)
    assert page.evaluate("window.stayed")


def test_filters_stand_in_the_address_and_the_back_button_takes_them_back(lab: PortalScene, page: Page) -> None:
    page.get_by_role("link", name="Failed 1").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    assert "phase=Failed" in page.url
    page.go_back()
    expect(page.locator("tbody tr")).to_have_count(4)
    page.keyboard.press("/")
    page.keyboard.type("dataset")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("typo")
    wait_for(lambda: page.evaluate("location.search") == "?q=dataset", "the filter in the address", 10)
    lab.create("other-dataset-one")  # what is followed now is the filtered table
    expect(page.locator("tbody tr")).to_have_count(2)


def test_sorting_is_a_link(lab: PortalScene, page: Page) -> None:
    page.get_by_role("link", name="Accuracy").click()
    expect(page.locator("tbody tr").first).to_contain_text("done")
    expect(page.locator("th[aria-sort=descending]")).to_have_text(re.compile(r"^\s*Accuracy"))


def test_one_training_shows_curves_stages_and_conditions_live(lab: PortalScene, page: Page) -> None:
    page.get_by_role("link", name="runs").click()
    expect(page.locator("#live")).to_have_text("Live")
    expect(page.locator("#stages")).to_contain_text("The Ray cluster is ready")
    expect(page.locator(".plot[data-name=loss] .u-wrap")).to_be_visible()
    for epoch in range(4, 8):
        lab.report("runs", epoch, metrics={"f1_macro": epoch / 10})
        expect(page.locator("#head")).to_contain_text(f"epoch {epoch}/10")
    expect(page.locator(".plot[data-name=f1_macro] b")).to_contain_text("0.7")
    label = page.locator(".plot[data-name=loss] .canvas").get_attribute("aria-label")
    assert label == "Curve of loss over epochs: 5 points, from 0.3 to 0.15"


def test_a_curve_begins_before_the_portal_was_there(lab: PortalScene, portal: RunningPortal, page: Page) -> None:
    line = "[ {0}.0s] epoch {0}/10  accuracy 8{0}.00 %  loss 0.{1}  test loss 0.5  1,000 images/s  1.0 s  2 workers\n"
    log = "".join(line.format(number, 9 - number) for number in range(1, 6))
    lab.running("early", epoch=5)
    labels = {"mnist.training/training": "early", "ray.io/originated-from-cr-name": "early-1"}
    lab.pod("early-1-abcde", log, **labels)
    page.goto(f"{portal.address}/trainings/{lab.namespace}/early")
    canvas = page.locator(".plot[data-name=accuracy] .canvas")
    expect(canvas).to_have_attribute("aria-label", "Curve of accuracy over epochs: 5 points, from 81.00 % to 85.00 %")
    expect(page.locator("#live")).to_have_text("Live")
    lab.report("early", 6)
    expect(canvas).to_have_attribute("aria-label", "Curve of accuracy over epochs: 6 points, from 81.00 % to 94.29 %")


def test_pods_say_why_they_wait_and_events_are_sentences(lab: PortalScene, page: Page) -> None:
    page.get_by_role("link", name="runs").click()
    page.get_by_role("link", name="Pods and events").click()
    expect(page.locator("#pods")).to_contain_text("node-a")
    expect(page.locator("#pods")).to_contain_text("Insufficient nvidia.com/gpu")
    body = {"status": {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                                       "message": "no node has a free GPU"}]}}  # fmt: skip
    lab.kube.merge(f"/api/v1/namespaces/{lab.namespace}/pods/runs-x1-head/status", body)
    expect(page.locator("#pods")).to_contain_text("Unschedulable: no node has a free GPU")


def test_logs_follow_are_searched_and_can_be_downloaded(lab: PortalScene, page: Page) -> None:
    file = lab.pod("late-1-abcde", "first line\n", **{"mnist.training/training": "late"})
    lab.running("late")
    page.goto(f"{page.url.partition('/trainings')[0]}/trainings/{lab.namespace}/late/logs")
    log = page.locator("#log")
    expect(log).to_contain_text("first line")
    # The portal asks the API server to follow once the page is there; what is written then has to come.
    with file.open("a") as out:
        out.write("second line of the trainer\n")
    expect(log).to_contain_text("second line of the trainer")
    page.get_by_placeholder("Only lines with").fill("SECOND")
    page.keyboard.press("Enter")
    expect(log).not_to_contain_text("first line")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.path().read_text() == "first line\nsecond line of the trainer\n"


def test_a_log_without_pod_says_where_its_end_is_kept(lab: PortalScene, page: Page) -> None:
    page.goto(f"{page.url.partition('/trainings')[0]}/trainings/{lab.namespace}/typo/logs")
    expect(page.locator("#log")).to_contain_text("there is no such file")


def test_the_manifest_is_shown_as_applied_and_as_it_holds(lab: PortalScene, page: Page) -> None:
    page.get_by_role("link", name="waits").click()
    page.get_by_role("link", name="Manifest").click()
    expect(page.locator("#applied")).to_contain_text("replicas: 8")
    expect(page.locator("#applied")).not_to_contain_text("batchSize")
    expect(page.locator("#effective")).to_contain_text("batchSize: 64")


def test_an_empty_table_says_what_to_do(scene: PortalScene, page: Page) -> None:
    expect(page.locator("#table")).to_contain_text("No training yet")
    expect(page.get_by_role("link", name="Begin with an example")).to_be_visible()


def test_a_training_that_is_not_there_is_a_page_that_says_so(portal: RunningPortal, watched, page: Page) -> None:  # type: ignore[no-untyped-def]
    watched.forgiven.append("404")
    page.goto(f"{portal.address}/trainings/nowhere/nothing")
    expect(page.locator("h1")).to_have_text("There is no such object")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible(lab: PortalScene, page: Page, check_access: Check, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    base = page.url.partition("/trainings")[0]
    for path in ("", "/runs", "/runs/pods", "/runs/logs", "/typo/logs", "/runs/manifest", "/typo", "/done/delete",
                 "/runs/scale"):  # fmt: skip
        page.goto(f"{base}/trainings/{lab.namespace}{path}" if path else f"{base}/trainings")
        check_access(page)


def test_a_narrow_screen_needs_no_sideways_scrolling(lab: PortalScene, page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    base = page.url.partition("/trainings")[0]
    for path in ("", "/runs", "/runs/pods", "/runs/logs", "/runs/manifest", "/done/delete"):
        page.goto(f"{base}/trainings/{lab.namespace}{path}" if path else f"{base}/trainings")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path

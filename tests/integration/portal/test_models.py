"""What a training left: figures, files with their digests, the report, and a model that answers to a drawing."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from tests.integration.portal.conftest import Watched
from tests.integration.portal.test_rights import free_port, sign_in
from tests.support.portal import EDIT, VIEW, Bucket, RunningPortal

from mnist_kube.objects import Object


def draw_a_one(page: Page) -> None:
    expect(page.locator("#pad")).to_be_visible()
    box = page.locator("#pad").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 150, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 140, box["y"] + 230, steps=12)
    page.mouse.up()


def test_the_result_has_figures_files_and_a_report_that_can_do_nothing(
    bucket: Bucket, page: Page, onnx: bytes, watched: Watched
) -> None:
    bucket.release("done", onnx, accuracy=0.97)
    page.get_by_role("link", name="done").click()
    expect(page.locator(".plot[data-name='test loss']")).to_be_visible()
    page.get_by_role("link", name="Result").click()
    expect(page.locator("main")).to_contain_text("97.00 % of the test images")
    expect(page.locator("main")).to_contain_text("1,437 training and 360 test images")
    with page.expect_download() as download:
        page.get_by_role("link", name="model.onnx").click()
    assert hashlib.sha256(download.value.path().read_bytes()).digest() == hashlib.sha256(onnx).digest()
    watched.forgiven += ["sandboxed", "script-src", "Content Security Policy", "Blocked script execution"]
    page.get_by_role("link", name="See the report").click()
    expect(page.locator("h1")).to_have_text("The report")
    assert page.title() == "Report"  # its script did not run


def test_a_drawn_digit_is_answered_with_probabilities_and_what_the_model_sees(
    bucket: Bucket, page: Page, onnx: bytes, check_access: object
) -> None:
    bucket.release("done", onnx)
    page.get_by_role("link", name="Models").click()
    page.get_by_role("link", name="Draw a digit").click()
    draw_a_one(page)
    expect(page.locator("#answer .answer")).to_be_visible()
    expect(page.locator("#answer .bars progress")).to_have_count(10)
    shares = [float(text.rstrip(" %")) for text in page.locator("#answer .bars span:nth-child(3n)").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=1)
    assert shares == sorted(shares, reverse=True)
    assert page.locator("#answer img.seen").evaluate("(image) => [image.naturalWidth, image.naturalHeight]") == [28, 28]
    check_access(page)  # type: ignore[operator]
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#answer")).to_have_text("Draw a digit.")


def test_a_picture_can_be_chosen_and_what_is_none_is_said(
    bucket: Bucket, page: Page, onnx: bytes, tmp_path: Path, watched: Watched
) -> None:
    bucket.release("done", onnx)
    page.get_by_role("link", name="Models").click()
    page.get_by_role("link", name="Draw a digit").click()
    picture = Image.new("L", (200, 200), 255)
    picture.paste(20, (90, 40, 110, 160))
    picture.save(tmp_path / "one.png")
    page.get_by_label("Or a picture").set_input_files(tmp_path / "one.png")
    expect(page.locator("#answer .answer")).to_be_visible()
    watched.forgiven += ["422"]
    (tmp_path / "none.png").write_bytes(b"this is no picture")
    page.get_by_label("Or a picture").set_input_files(tmp_path / "none.png")
    expect(page.locator("#answer")).to_contain_text("not a picture that can be read")


def test_models_of_deleted_trainings_are_found_in_the_bucket(bucket: Bucket, page: Page, onnx: bytes) -> None:
    base = bucket.release("done", onnx)
    bucket.scene.kube.delete(f"{bucket.scene.trainings}/done")
    page.get_by_role("link", name="Models").click()
    expect(page.locator("main")).to_contain_text("No model yet")
    page.get_by_label("Address").fill(f"s3://models/{bucket.scene.namespace}")
    page.get_by_role("button", name="Look there").click()
    expect(page.locator("main")).to_contain_text(base)
    page.get_by_role("link", name="Draw a digit").click()
    draw_a_one(page)
    expect(page.locator("#answer .answer")).to_be_visible()


def test_who_may_not_read_the_secret_gets_nothing_of_the_bucket(bucket: Bucket, watched: Watched, onnx: bytes) -> None:
    bucket.release("done", onnx)
    rules: list[Object] = [*VIEW]
    pod = RunningPortal.pod(bucket.scene.connection, free_port())
    try:
        page = sign_in(
            watched, pod, bucket.scene.user("viewer", rules), f"/trainings/{bucket.scene.namespace}/done/result"
        )
        expect(page.locator("main")).to_contain_text("you may not read Secret")
        expect(page.get_by_role("link", name="model.onnx")).to_have_count(0)
        page.get_by_role("link", name="Draw a digit for it").click()
        expect(page.locator("main")).to_contain_text("you may not read Secret")
    finally:
        watched.close()
        pod.close()


def test_a_pods_portal_asks_no_store_at_its_own_address(bucket: Bucket, watched: Watched, onnx: bytes) -> None:
    bucket.release("done", onnx)  # its endpoint is on loopback: in a pod that is the pod itself
    pod = RunningPortal.pod(bucket.scene.connection, free_port())
    try:
        page = sign_in(
            watched, pod, bucket.scene.user("editor", EDIT), f"/trainings/{bucket.scene.namespace}/done/result"
        )
        expect(page.locator("main")).to_contain_text("is an address of its own machine")
    finally:
        watched.close()
        pod.close()


def test_logs_that_outlived_their_pods_are_read_from_the_bucket(bucket: Bucket, page: Page, onnx: bytes) -> None:
    base = bucket.release("done", onnx)
    bucket.put(f"{base}/logs/attempt-1/driver.log", b"[ 0.1s] the driver says hello\n")
    bucket.put(f"{base}/logs/attempt-1/worker-0.log", b"worker zero\n")
    page.get_by_role("link", name="done").click()
    page.get_by_role("link", name="Logs").click()
    expect(page.locator("#log")).to_contain_text("the driver says hello")
    page.get_by_label("Log of").select_option(label="attempt 1: worker-0.log (12 B)")
    expect(page.locator("#log")).to_contain_text("worker zero")

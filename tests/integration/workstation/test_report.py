"""`mnistctl report`: from the store to a file or the browser, with whose credentials."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.s3 import S3Handle, start_s3
from tests.support.scene import Scene
from tests.support.wait import wait_for

HTML = b"<!doctype html><title>report</title>"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Handle]:
    with start_s3(tmp_path_factory.mktemp("s3"), "models") as handle:
        (handle.root / "models" / "report.html").write_bytes(HTML)
        yield handle


@pytest.fixture
def finished(scene: Scene) -> Scene:
    scene.create()
    scene.status(phase="Succeeded", result={"report": "s3://models/report.html"})
    return scene


def add_secret(scene: Scene, values: dict[str, str]) -> None:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mnist-storage"}, "data": data}
    scene.kube.create(f"/api/v1/namespaces/{scene.namespace}/secrets", secret)


def test_with_the_credentials_of_the_environment(
    finished: Scene, s3: S3Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    ran = finished.ctl("report", "mnist")
    assert (ran.code, ran.out) == (0, "mnist-report.html  (36 bytes, from s3://models/report.html)\n")
    assert Path("mnist-report.html").read_bytes() == HTML
    assert finished.ctl("report", "mnist", "-o", "-").out == HTML.decode()
    ran = finished.ctl("report", "mnist", "-o", "no/such/folder.html")
    assert (ran.code, ran.err) == (2, "mnistctl: no/such/folder.html cannot be written: No such file or directory\n")


def test_with_the_training_s_own_secret(finished: Scene, s3: S3Handle, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = finished.ctl("report", "mnist")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "no storage credentials: set AWS_ACCESS_KEY_ID" in ran.err

    add_secret(finished, s3.env)
    assert finished.ctl("report", "mnist", "-o", "a.html").code == 0
    # Keys of another store in the environment are refused by this one; the training's own are tried then.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "store")
    assert finished.ctl("report", "mnist", "-o", "b.html", "--endpoint", s3.endpoint).code == 0
    assert Path("a.html").read_bytes() == Path("b.html").read_bytes() == HTML


def test_opened_in_the_browser(finished: Scene, s3: S3Handle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    add_secret(finished, s3.env)
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}\n')
    browser.chmod(0o755)
    monkeypatch.setattr("webbrowser._tryorder", None)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    ran = finished.ctl("report", "mnist", "--open")
    assert ran.code == 0, ran.err
    address = wait_for(lambda: opened.exists() and opened.read_text(), "the browser")
    assert Path(str(address).removeprefix("file://")).read_bytes() == HTML


def test_no_report_yet(scene: Scene) -> None:
    scene.create()
    scene.status(phase="Running", message="Training on 2 workers")
    ran = scene.ctl("report", "mnist")
    assert ran.code == 1
    assert (
        ran.err
        == "mnistctl: mnist has no report (Running: Training on 2 workers); it is made when a training succeeds\n"
    )

"""The portal against an embedded API server, asked by a plain client and by a real browser.

The browser's fixture fails a test for what no page may do: a violation of the content security policy, an error in the
console, a script that throws, a request to anywhere but the portal.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright
from tests.integration.operator.conftest import apply_crd
from tests.support.apiserver import ApiServer, start_apiserver
from tests.support.kube import Kube
from tests.support.portal import Bucket, PortalScene, RunningPortal, untrained_onnx
from tests.support.s3 import S3Handle, start_s3

from mnist_operator.api import crd

expect.set_options(timeout=20_000)  # a busy machine
CHROMIUM = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)
# A person is slower than a page's scripts; these tests are not, so they see a page once its scripts listen.
SHOWN_WHEN_READY = """(() => {
  const hidden = new CSSStyleSheet();
  hidden.replaceSync("body { visibility: hidden !important; }");
  document.adoptedStyleSheets = [hidden];
  document.addEventListener("DOMContentLoaded", () => { document.adoptedStyleSheets = []; });
})()"""
AXE = Path(__file__).parents[2] / "support" / "vendor" / "axe.min.js"


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    handle = start_apiserver(tmp_path_factory.mktemp("api"))
    yield handle
    handle.stop()


@pytest.fixture(scope="package")
def kube(server: ApiServer) -> Kube:
    client = Kube.from_kubeconfig(server.kubeconfig)
    apply_crd(client, yaml.safe_load(crd.crd_text()))
    return client


@pytest.fixture
def scene(server: ApiServer, kube: Kube) -> Iterator[PortalScene]:
    made = PortalScene(server, kube)
    yield made
    made.end()


@pytest.fixture(scope="package")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Handle]:
    with start_s3(tmp_path_factory.mktemp("s3"), "models", "datasets") as handle:
        yield handle


@pytest.fixture(scope="package")
def onnx() -> bytes:
    return untrained_onnx()


@pytest.fixture
def bucket(scene: PortalScene, s3: S3Handle) -> Bucket:
    return Bucket(scene, s3)


@pytest.fixture
def portal(server: ApiServer, scene: PortalScene) -> Iterator[RunningPortal]:
    """As `mnistctl portal -n NAMESPACE`."""
    running = RunningPortal.local(server.kubeconfig, namespaces=(scene.namespace,))
    yield running
    running.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for one file: while it is there, an event loop runs in this thread, and asyncio lets no other begin."""
    if CHROMIUM is None:
        pytest.skip("no chromium is installed")
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--headless=new", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


class Watched:
    """Pages of a browser, and what they did that none may do."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.wrong: list[str] = []
        self.forgiven: list[str] = []
        """Parts of messages that a test brings about on purpose."""

    def open(self, address: str, allowed: str, **options: object) -> Page:
        """Open an address in a browser of its own; `allowed` is the origin that requests may go to."""
        context = self._browser.new_context(**options)  # type: ignore[arg-type]
        context.set_default_timeout(20_000)
        self._contexts.append(context)
        context.add_init_script(
            "document.addEventListener('securitypolicyviolation', (e) => "
            "console.error('CSP ' + e.violatedDirective + ' ' + e.blockedURI))"
        )
        context.add_init_script(SHOWN_WHEN_READY)
        page = context.new_page()
        page.on("console", self._said)
        page.on("pageerror", lambda error: self._note(f"script: {error}"))
        page.on("request", lambda asked: self._asked(asked.url, allowed))
        page.goto(address)
        return page

    def close(self) -> None:
        while self._contexts:
            self._contexts.pop().close()

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._note(f"console: {message.text}")

    def _asked(self, url: str, allowed: str) -> None:
        if not url.startswith((allowed, "data:", "blob:")):
            self._note(f"outside: {url}")

    def _note(self, text: str) -> None:
        self.wrong.append(text)

    def judged(self) -> list[str]:
        return [text for text in self.wrong if not any(part in text for part in self.forgiven)]


@pytest.fixture
def watched(chromium: Browser) -> Iterator[Watched]:
    made = Watched(chromium)
    yield made
    made.close()
    assert made.judged() == []


@pytest.fixture
def page(watched: Watched, portal: RunningPortal) -> Iterator[Page]:
    """A page of somebody who may do everything, at the table; it is closed before the portal is."""
    yield watched.open(portal.entrance, portal.address)
    watched.close()


@pytest.fixture
def check_access() -> Callable[[Page], None]:
    """Fails for what axe-core calls serious or critical (WCAG 2.2 A and AA)."""

    def check(page: Page) -> None:
        expect(page.locator("body")).to_be_visible()
        # Put in by the protocol, not by the page: its policy lets no foreign script in.
        page.evaluate(AXE.read_text())
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
        found = page.evaluate("(tags) => axe.run(document, {runOnly: tags})", tags)["violations"]
        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        told = [(one["id"], [node["html"][:160] for node in one["nodes"]][:3]) for one in serious]
        assert told == [], page.url

    return check

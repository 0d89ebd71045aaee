"""The portal under load: many trainings, many open pages, one small server.

    python benchmarks/portal_load.py --trainings 1000 --pages 50

An embedded API server holds the trainings; the portal runs as its pod does, as one process. All pages are of one
person, each a stream of its own. Printed: the first page, the time from a change of a status to its arrival at the
pages, the portal's memory, and its watches at the API server.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import psutil
import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the tests' helpers

from tests.integration.operator.conftest import apply_crd
from tests.support.apiserver import ApiServer, start_apiserver
from tests.support.kube import Kube
from tests.support.portal import ago

from mnist_kube.client import KubeApi
from mnist_kube.kubeconfig import load
from mnist_kube.resources import TRAININGS
from mnist_operator.api import crd

NAMESPACE = "default"
_AT_A_TIME = 16


class Arrivals:
    """When a change came to the pages, and whether it has come to all of them."""

    def __init__(self, pages: int) -> None:
        self.moments: list[float] = []
        self.all = asyncio.Event()
        self._pages = pages

    def one_more(self) -> None:
        """It has come to another page."""
        self.moments.append(time.perf_counter())
        if len(self.moments) == self._pages:
            self.all.set()


def main() -> int:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainings", type=int, default=1000)
    parser.add_argument("--pages", type=int, default=50)
    parser.add_argument("--changes", type=int, default=20, help="changes whose way is timed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = start_apiserver(Path(folder))
        try:
            apply_crd(Kube.from_kubeconfig(server.kubeconfig), yaml.safe_load(crd.crd_text()))
            asyncio.run(_measure(server, options, Path(folder)))
        finally:
            server.stop()
    return 0


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _measure(server: ApiServer, options: argparse.Namespace, folder: Path) -> None:
    async with KubeApi(load(server.kubeconfig)) as api:
        await _fill(api, options.trainings)
        port, metrics = free_port(), free_port()
        process = _start(server, port, metrics, folder)
        try:
            await _ready(metrics)
            headers = {"Authorization": f"Bearer {server.token}"}
            connector = aiohttp.TCPConnector(limit=0)
            async with aiohttp.ClientSession(
                f"http://127.0.0.1:{port}",
                headers=headers,
                connector=connector,
                cookie_jar=aiohttp.CookieJar(unsafe=True),
            ) as browser:
                await _pages(browser, api, options, psutil.Process(process.pid), metrics)
        finally:
            process.terminate()
            process.wait(20)


async def _fill(api: KubeApi, count: int) -> None:
    slots = asyncio.Semaphore(_AT_A_TIME)

    async def one(number: int) -> None:
        async with slots:
            body = {"apiVersion": "mnist.training/v1alpha1", "kind": "MnistTraining"}
            await api.create(TRAININGS.path(NAMESPACE), {**body, "metadata": {"name": f"t{number:05d}"}, "spec": {}})
            await _report(api, number, epoch=1)

    await asyncio.gather(*(one(number) for number in range(count)))


async def _report(api: KubeApi, number: int, epoch: int) -> None:
    report = {
        "attempt": 1, "runId": "r", "state": "Training", "epoch": epoch, "epochs": 500,
        "progressPercent": min(100, epoch // 5), "loss": 1 / epoch, "accuracy": 1 - 0.5 / epoch,
        "imagesPerSecond": 5000.0, "workers": 2, "updatedAt": ago(0),
    }  # fmt: skip
    status = {"phase": "Running", "reason": "JobRunning", "message": "It trains.", "attempt": 1, "training": report}
    await api.patch(TRAININGS.path(NAMESPACE, f"t{number:05d}", "status"), {"status": status})


def _start(server: ApiServer, port: int, metrics: int, folder: Path) -> subprocess.Popen[bytes]:
    told = {
        "API_SERVER": server.url, "API_CA_FILE": str(server.ca_file), "HOST": "127.0.0.1", "PORT": str(port),
        "METRICS_PORT": str(metrics), "HOSTS": f"127.0.0.1:{port}", "SECURE": "false", "LOG_LEVEL": "WARNING",
    }  # fmt: skip
    env = {**os.environ, **{f"MNIST_PORTAL_{key}": value for key, value in told.items()}}
    with (folder / "portal.log").open("wb") as log:
        return subprocess.Popen([sys.executable, "-m", "mnist_portal"], env=env, stdout=log, stderr=log)


async def _ready(metrics: int) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(600):
            try:
                async with session.get(f"http://127.0.0.1:{metrics}/readyz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
    raise SystemExit("the portal did not start")


async def _pages(
    browser: aiohttp.ClientSession, api: KubeApi, options: argparse.Namespace, portal: psutil.Process, metrics: int
) -> None:
    idle = portal.memory_info().rss
    began = time.perf_counter()
    await _text(browser, "/trainings")
    first = time.perf_counter() - began
    alone = [await _timed(browser, "/trainings") for _ in range(30)]
    # Every page shows the newest hundred, where all the changes below happen.
    page = await _text(browser, "/trainings?sort=-name")
    address = re.search(r'data-live="([^"]+)"', page)
    assert address is not None
    seen: dict[str, Arrivals] = {}
    streams = [
        asyncio.create_task(_follow(browser, address[1].replace("&amp;", "&"), seen)) for _ in range(options.pages)
    ]
    await asyncio.sleep(3)
    delays, crowded = [], []
    for change in range(options.changes):
        number, epoch = options.trainings - 1 - change % 50, 100 + change
        mark = f"epoch {epoch}/500"
        seen[mark] = Arrivals(options.pages)
        await _report(api, number, epoch)
        sent = time.perf_counter()
        async with asyncio.timeout(20):
            await seen[mark].all.wait()
        delays += [moment - sent for moment in seen[mark].moments]
        crowded.append(await _timed(browser, "/trainings?sort=-name"))
    storm = await _storm(browser, api, options)
    figures = await _metrics(metrics)
    for stream in streams:
        stream.cancel()
    await asyncio.gather(*streams, return_exceptions=True)
    print(f"trainings {options.trainings}, open pages {options.pages}, one person")
    print(f"first page ever (lists all trainings)   {1000 * first:7.0f} ms")
    print(f"a page, nobody else there               {_spread(alone)}")
    print(f"a page, with all pages open             {_spread(crowded)}")
    print(f"from the status to the pages            {_spread(delays)}")
    print(f"a page, while 50 statuses/s change      {_spread(storm)}")
    print(f"memory: idle {idle >> 20} MiB, at the end {portal.memory_info().rss >> 20} MiB")
    print(f"watches at the API server {figures['watches']:.0f}, sessions {figures['sessions']:.0f}")


async def _storm(browser: aiohttp.ClientSession, api: KubeApi, options: argparse.Namespace) -> list[float]:
    """How long a page takes while fifty trainings report each second."""
    stop = asyncio.Event()

    async def change() -> None:
        epoch = 200
        while not stop.is_set():
            epoch += 1
            began = time.perf_counter()
            await asyncio.gather(*(_report(api, n, epoch) for n in range(options.trainings - 50, options.trainings)))
            await asyncio.sleep(max(0.0, 1 - (time.perf_counter() - began)))

    changing = asyncio.create_task(change())
    times = []
    for _ in range(20):
        times.append(await _timed(browser, "/trainings?sort=-name"))
        await asyncio.sleep(0.3)
    stop.set()
    await changing
    return times


async def _follow(browser: aiohttp.ClientSession, address: str, seen: dict[str, Arrivals]) -> None:
    timeout = aiohttp.ClientTimeout(total=None)
    async with browser.get(address, headers={"Accept": "text/event-stream"}, timeout=timeout) as answer:
        assert answer.status == 200, answer.status
        async for line in answer.content:
            text = line.decode()
            for mark in re.findall(r"epoch \d+/500", text):
                if mark in seen:
                    seen[mark].one_more()


async def _text(browser: aiohttp.ClientSession, path: str) -> str:
    async with browser.get(path) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.text()


async def _timed(browser: aiohttp.ClientSession, path: str) -> float:
    began = time.perf_counter()
    await _text(browser, path)
    return time.perf_counter() - began


async def _metrics(port: int) -> dict[str, float]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        text = await answer.text()
    return {name: float(value) for name, value in re.findall(r"^mnist_portal_(\w+) ([\d.]+)$", text, re.MULTILINE)}


def _spread(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    middle, high = statistics.median(ordered), ordered[max(0, int(0.95 * len(ordered)) - 1)]
    return f"{1000 * middle:7.0f} ms median, {1000 * high:.0f} ms p95, {1000 * ordered[-1]:.0f} ms most"


if __name__ == "__main__":
    sys.exit(main())

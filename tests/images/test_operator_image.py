"""The operator starts as the chart runs it: as a user that no passwd file knows, with nothing but /tmp to write to."""

from __future__ import annotations

from pathlib import Path

import pytest
import urllib3
from tests.images.conftest import ACCOUNT_PLACE, Installed, apply_quickstart, find_raycluster
from tests.support.shipped import Identity, Shipped, always_stopped

# As OpenShift runs a container: some high number, in the group of root.
RANDOM_UID = Identity(1000680000, 0)


def ready(port: int) -> bool:
    try:
        return urllib3.request("GET", f"http://127.0.0.1:{port}/readyz", retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False


@pytest.mark.timeout(300)
@pytest.mark.parametrize("user", ["the chart's user", "any user"])
def test_it_becomes_ready_and_makes_a_raycluster_and_stops_when_told(
    user: str, operator: Shipped, installed: Installed, unused_tcp_port: int, tmp_path: Path
) -> None:
    identity = installed.identity if user == "the chart's user" else RANDOM_UID
    env, log = installed.env(unused_tcp_port), tmp_path / "operator.log"
    started = operator.start(installed.args, env, {installed.account: ACCOUNT_PLACE}, identity, log)
    with always_stopped(started):
        started.wait_for(lambda: ready(unused_tcp_port), f"{operator.what} to be ready")
        namespace = f"images-{identity.uid}"
        apply_quickstart(installed, namespace)
        started.wait_for(lambda: find_raycluster(installed, namespace), "a RayCluster")
        assert started.stop() == 0, started.text()
    text = started.text()
    assert "Traceback" not in text
    assert "Warning" not in text, "a cluster's log begins with what the operator says"

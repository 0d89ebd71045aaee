import json
from pathlib import Path

import pytest

from mnist_local.stack.layout import Layout, StackRefusedError
from mnist_local.stack.parts import environment, s3_endpoint
from mnist_local.stack.state import PartState, StackState, is_locked, take_lock


def test_claim_and_clear_keep_the_buckets_and_nothing_else(tmp_path: Path) -> None:
    layout = Layout.at(tmp_path / "stack")
    layout.claim()
    layout.clear()
    (layout.s3 / "models").mkdir()
    (layout.s3 / "models" / "x").write_text("kept")
    (layout.apiserver / "pki").mkdir(parents=True)
    layout.state.write_text("{}")
    layout.log("operator").write_text("old")
    (tmp_path / "stack" / "mine").write_text("not ours")
    layout.claim()
    layout.clear()
    assert (layout.s3 / "models" / "x").read_text() == "kept"
    assert (tmp_path / "stack" / "mine").read_text() == "not ours"
    for gone in (layout.apiserver, layout.state, layout.log("operator")):
        assert not gone.exists()


def test_a_folder_inside_another_stacks_folder_is_fine(tmp_path: Path) -> None:
    Layout.at(tmp_path / ".local" / "demo").claim()
    Layout.at(tmp_path / ".local").claim()


def test_a_folder_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "s3").mkdir()
    with pytest.raises(StackRefusedError, match="'s3' and is not a folder of"):
        Layout.at(tmp_path).claim()


def test_links_are_not_followed_when_clearing(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "x").write_text("kept")
    layout = Layout.at(tmp_path / "stack")
    layout.claim()
    layout.kuberay.symlink_to(precious)
    layout.clear()
    assert (precious / "x").read_text() == "kept"


def test_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_locked(path)
    first = take_lock(path)
    assert first is not None
    assert take_lock(path) is None
    assert is_locked(path)
    first.release()
    assert not is_locked(path)
    assert take_lock(path) is not None


def test_state_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "stack.json"
    state = StackState(phase="up", parts=[PartState("operator", "o.log", 12, "running", 3)])
    state.write(path)
    assert StackState.read(path) == state
    assert json.loads(path.read_text())["parts"][0]["pid"] == 12
    path.write_text("{")
    assert StackState.read(path) is None
    assert StackState.read(tmp_path / "none") is None


def test_state_gets_through_where_nothing_new_can_be_written(tmp_path: Path) -> None:
    """On a full disk it used to stand still, and to say `running` of what ended every few seconds."""
    path = tmp_path / "stack.json"
    state = StackState(phase="up", parts=[PartState("API server", "a.log", 12, "running")])
    state.write(path)
    blocks = path.stat().st_size
    path.with_suffix(".partial").mkdir()  # as a full disk: no other file can be made, but this one is there
    state.parts[0].state, state.parts[0].last_error = "crashed", "OSError: [Errno 28] No space left on device" * 9
    state.write(path)
    assert StackState.read(path) == state
    assert path.stat().st_size == blocks


def test_part_that_ends_again_and_again_is_told_from_one_that_came_back() -> None:
    part = PartState("API server", "a.log", 12, "running", restarts=7, ended_at=1000.0, last_error="OSError: no space")
    assert part.is_in_trouble(1003)
    line, error = part.lines(1003)
    assert " ".join(line.split()) == "API server restarting pid 12 a.log, 7 restart(s), the last 3 s ago"
    assert error.strip() == "OSError: no space"
    assert not part.is_in_trouble(1200)
    assert part.lines(1200) == [line.replace("restarting", "running   ").replace("3 s", "200 s")]

    assert not PartState("operator", "o.log", 12, "running", restarts=1, ended_at=1000.0).is_in_trouble(1003)
    assert PartState("operator", "o.log", None, "crashed", restarts=1, ended_at=1000.0).is_in_trouble(1003)
    assert not PartState("operator", "o.log", 12, "running").is_in_trouble(1003)


def test_parts_see_no_other_cluster_or_store(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "RAY_ADDRESS", "RCLONE_CONFIG"):
        monkeypatch.setenv(name, "elsewhere")
    monkeypatch.setenv("MNIST_OPERATOR_WORKERS", "3")
    env = environment(KUBECONFIG="ours")
    assert "elsewhere" not in env.values()
    assert env["KUBECONFIG"] == "ours"
    assert env["MNIST_OPERATOR_WORKERS"] == "3"


def test_endpoint_from_the_log() -> None:
    assert s3_endpoint("x: Starting s3 server on [http://127.0.0.1:4711/]\n") == "http://127.0.0.1:4711"
    assert s3_endpoint("x: Starting s3 server on [") is None

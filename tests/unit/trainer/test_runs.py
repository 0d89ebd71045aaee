"""Which objects belong to which run, what a run's state is, and what may be deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.release.publish import ManifestFile, ReleaseManifest
from mnist_trainer.runs.catalogue import Run, comparison, discover
from mnist_trainer.runs.prune import PruneRules, plan_pruning
from mnist_trainer.store import ObjectInfo, S3Address

ROOT = S3Address.parse("s3://models/team")
NOW = datetime(2026, 11, 21, tzinfo=UTC)
RELEASE = ("model.safetensors", "model.onnx", "metrics.json", "tensorboard/events.out.tfevents", "report.html")


def info(key: str, hours_ago: float = 0, size: int = 10) -> ObjectInfo:
    return ObjectInfo(ROOT.child(key), size, modified=NOW - timedelta(hours=hours_ago))


def keys_of(run: str, sealed: bool, attempts: int = 1) -> list[str]:
    own = [f"{run}/attempt-{n}/r{n}/{name}" for n in range(1, attempts + 1) for name in (*RELEASE, "MANIFEST.json")]
    own += [
        f"{run}/attempt-1/r1/checkpoints/epoch-0000{epoch}.{end}" for epoch in (1, 3) for end in ("json", "safetensors")
    ]
    return own + ([f"{run}/{name}" for name in (*RELEASE, "MANIFEST.json")] if sealed else [])


def manifest(at: datetime, accuracy: float) -> ReleaseManifest:
    files = [ManifestFile(name=name, size=10, sha256="0" * 64, content_type="") for name in RELEASE]
    return ReleaseManifest(
        name="mnist", lineage="l", attempt=1, run_id="r1", accuracy=accuracy, train_seconds=1, created_at=at,
        dataset={}, config={}, versions={}, files=files,
    )  # fmt: skip


def runs_of(*described: tuple[str, bool, float, float]) -> list[Run]:
    """Runs by (path, sealed, hours ago, accuracy)."""
    objects = [info(key, ago) for path, sealed, ago, _ in described for key in keys_of(path, sealed)]
    found = {str(run.address): run for run in discover(objects, ROOT)}
    return [
        Run(found[f"{ROOT}/{path}"], manifest(NOW - timedelta(hours=ago), accuracy) if sealed else None)
        for path, sealed, ago, accuracy in described
    ]


def names(deletions) -> list[str]:
    return [str(item.run.address).removeprefix(f"{ROOT}/") for item in deletions]


def test_objects_find_their_runs():
    keys = [
        *keys_of("ns/a/1", True, 2),
        *keys_of("ns/a/2", False),
        "ns/a/1/notes.txt",
        "README",
        "ns/b/model.safetensors",
    ]
    sealed, unsealed = discover([info(key) for key in keys], ROOT)
    assert (str(sealed.address), sealed.sealed) == (f"{ROOT}/ns/a/1", True)
    assert (str(unsealed.address), unsealed.sealed) == (f"{ROOT}/ns/a/2", False)
    assert {item.address.key for item in sealed.objects} == {f"team/{key}" for key in keys_of("ns/a/1", True, 2)}
    assert sealed.objects[0].address.name == "MANIFEST.json"
    assert (sealed.checkpoint, unsealed.checkpoint) == (3, 3)


def test_logs_and_a_scripts_own_files_go_with_their_run():
    keys = [
        "a/MANIFEST.json",
        "a/model.pt",
        "a/metrics.json",
        "a/logs/attempt-1/driver.log",
        "a/checkpoints/mnist/1/s.pt",
    ]
    keys += ["b/logs/attempt-1/driver.log", "b/logs/attempt-1/worker-0.1.log", "notes/checkpoints/x"]
    found = {str(run.address): run for run in discover([info(key) for key in keys], ROOT)}
    assert list(found) == [f"{ROOT}/a", f"{ROOT}/b"]
    assert (len(found[f"{ROOT}/b"].logs), found[f"{ROOT}/b"].sealed) == (2, False)
    entries = [
        ManifestFile(name=name, size=10, sha256="0" * 64, content_type="") for name in ("model.pt", "metrics.json")
    ]
    sealed = Run(found[f"{ROOT}/a"], manifest(NOW, 0.5).model_copy(update={"files": entries, "accuracy": None}))
    assert sorted(str(item.address).removeprefix(f"{ROOT}/") for item in sealed.objects) == sorted(keys[:5])
    (deletion,) = plan_pruning([sealed], PruneRules(keep=0), NOW)
    assert deletion.objects[0].address.name == "MANIFEST.json"
    assert len(deletion.objects) == 5


def test_the_prefix_itself_can_be_the_run():
    for root in (ROOT, S3Address("models")):
        objects = [
            ObjectInfo(root.child(name), 1) for name in ("MANIFEST.json", "model.onnx", "attempt-1/r/model.onnx")
        ]
        (run,) = discover(objects, root)
        assert run.address == root
        assert (len(run.released), len(run.attempts)) == (1, 1)


SEGMENTS = st.sampled_from(
    ["a", "attempt-1", "r1", "MANIFEST.json", "model.onnx", "tensorboard", "events.out.tfevents"]
)


@given(st.sets(st.lists(SEGMENTS, min_size=1, max_size=6).map("/".join), max_size=12))
def test_no_object_counts_twice_and_every_object_lies_in_its_run(keys):
    runs = discover([info(key) for key in sorted(keys)], ROOT)
    owned = [item.address for run in runs for item in run.objects]
    assert len(owned) == len(set(owned))
    for run in runs:
        assert run.objects
        assert all(f"{item.address}".startswith(f"{run.address}/") for item in run.objects)


def test_states():
    whole, unsealed = runs_of(("a/1", True, 1, 0.9), ("a/2", False, 1, 0))
    assert (whole.state, unsealed.state) == ("Sealed", "Unsealed")
    assert Run(whole.found, None).state == "Damaged"
    whole.found.released.pop()
    assert whole.state == "Damaged"


def test_the_newest_stay_of_each_training():
    runs = runs_of(("x/1", True, 30, 0.99), ("x/2", True, 20, 0.98), ("x/3", True, 10, 0.97), ("y/1", True, 90, 0.5))
    assert names(plan_pruning(runs, PruneRules(1), NOW)) == ["x/2", "x/1"]
    assert names(plan_pruning(runs, PruneRules(2), NOW)) == ["x/1"]
    assert names(plan_pruning(runs, PruneRules(1, best=True), NOW)) == ["x/2", "x/3"]
    assert names(plan_pruning(runs, PruneRules(3), NOW)) == []


def test_unsealed_runs_are_touched_only_when_told_and_idle():
    runs = runs_of(("x/1", False, 100, 0), ("x/2", False, 2, 0), ("x/3", True, 1, 0.9))
    assert names(plan_pruning(runs, PruneRules(0), NOW)) == ["x/3"]
    assert names(plan_pruning(runs, PruneRules(1, unsealed_after=timedelta(hours=24)), NOW)) == ["x/1"]


def test_a_damaged_run_is_never_touched():
    (whole,) = runs_of(("x/1", True, 100, 0.9))
    assert plan_pruning([Run(whole.found, None)], PruneRules(0, unsealed_after=timedelta(hours=1)), NOW) == []


def test_leftovers_leave_the_release():
    runs = runs_of(("x/1", True, 100, 0.9))
    (deletion,) = plan_pruning(runs, PruneRules(1, leftovers=True), NOW)
    assert all("/attempt-1/" in str(item.address) for item in deletion.objects)
    assert deletion.size == 10 * len(deletion.objects)


@given(
    st.lists(st.tuples(st.sampled_from("xy"), st.booleans(), st.integers(0, 200), st.floats(0, 1)), max_size=8),
    st.integers(0, 3),
    st.booleans(),
)
def test_what_stays_is_never_worse_than_what_goes(described, keep, best):
    runs = runs_of(*((f"{name}/{number}", *rest) for number, (name, *rest) in enumerate(described)))
    gone = {run.address for run in (item.run for item in plan_pruning(runs, PruneRules(keep, best), NOW))}
    assert all(run.state == "Sealed" for run in runs if run.address in gone)
    for name in "xy":
        sealed = [run for run in runs if run.state == "Sealed" and run.address.key.startswith(f"team/{name}/")]
        staying = [run for run in sealed if run.address not in gone]
        assert len(staying) == min(keep, len(sealed))
        rank = (lambda run: run.manifest.accuracy) if best else (lambda run: run.manifest.created_at)
        assert all(rank(a) >= rank(b) for a in staying for b in sealed if b.address in gone)


def test_comparison_shows_all_figures_and_only_settings_that_differ():
    one = {
        "accuracy": 0.9,
        "epochs": [1, 2],
        "config": {"seed": 1, "workers": 2, "output": "a"},
        "recipe": {"a": {"b": 1}},
    }
    other = {
        "accuracy": 0.8,
        "epochs": [1],
        "config": {"seed": 1, "workers": 4, "output": "b"},
        "recipe": {"a": {"b": 2}},
    }
    rows = dict(comparison([one, other]))
    assert rows["accuracy"] == [0.9, 0.8]
    assert rows["epochs"] == [2, 1]
    assert rows["config.workers"] == [2, 4]
    assert rows["recipe.a.b"] == [1, 2]
    assert not {"config.seed", "config.output"} & rows.keys()


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2.5e6, "2.5 MB"), (3e15, "3000.0 TB")]
)
def test_sizes(size, text):
    from mnist_trainer.cli.runs import size_text

    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "5s"), (90, "1m"), (7200, "2h"), (47 * 3600, "47h"), (86400 * 3, "3d")]
)
def test_ages(seconds, text):
    from mnist_trainer.cli.runs import age_text

    assert age_text(NOW - timedelta(seconds=seconds), NOW) == text

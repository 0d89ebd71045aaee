"""Curves: what is remembered of a training's figures, and that it stays bounded."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mnist_portal.curves import Curves, joined, of_log, of_metrics, point_of, series, spark


def training(uid: str, share: int, **figures: Any) -> dict[str, Any]:
    report = {"progressPercent": share, "epochs": 10, "updatedAt": "2026-01-01T00:00:00Z", "loss": 1.0, **figures}
    return {"metadata": {"uid": uid}, "status": {"training": report}}


def test_a_point_is_at_the_share_of_the_epochs() -> None:
    point = point_of(training("a", 35)["status"]["training"])
    assert point is not None
    assert point.epoch == 3.5


def test_custom_metrics_have_curves_of_their_own() -> None:
    curves = Curves()
    for share in (10, 20):
        curves.observe(training("a", share, metrics={"f1_macro": share / 100}))
    assert series(curves.of("a"))["f1_macro"] == [[1.0, 2.0], [0.1, 0.2]]


def test_epochs_that_are_trained_again_take_the_place_of_the_lost_ones() -> None:
    curves = Curves()
    for share, loss in ((10, 0.9), (20, 0.8), (30, 0.7), (20, 0.75), (30, 0.6)):
        curves.observe(training("a", share, loss=loss))
    assert series(curves.of("a"))["loss"] == [[1.0, 2.0, 3.0], [0.9, 0.75, 0.6]]


def test_accuracy_is_shown_where_it_was_measured() -> None:
    curves = Curves()
    for share, accuracy in ((10, 0.5), (15, 0.5), (20, 0.6)):
        curves.observe(training("a", share, accuracy=accuracy))
    assert series(curves.of("a"))["accuracy"] == [[1.0, 2.0], [0.5, 0.6]]


@given(st.lists(st.integers(0, 100), max_size=300))
def test_a_curve_is_bounded_and_in_order_and_ends_with_the_newest(shares: list[int]) -> None:
    curves = Curves(points=20)
    for share in shares:
        curves.observe(training("a", share))
    epochs = [point.epoch for point in curves.of("a")]
    assert len(epochs) <= 20
    assert epochs == sorted(set(epochs))
    if shares:
        assert epochs[-1] == shares[-1] / 10


def test_the_number_of_curves_is_bounded_and_the_oldest_go() -> None:
    curves = Curves(most=3)
    for name in "abcd":
        curves.observe(training(name, 10))
    assert curves.of("a") == []
    assert all(curves.of(name) for name in "bcd")
    curves.observe(training("d", 10), deleted=True)
    assert curves.of("d") == []


def test_a_release_has_the_whole_curve() -> None:
    record = {"epoch": 1, "train_loss": 0.5, "test_loss": 0.4, "accuracy": 0.9, "images_per_second": 100.0,
              "finished_at": 5.0}  # fmt: skip
    found = series(of_metrics({"epochs": [record, {**record, "epoch": 2, "accuracy": None}, "nonsense"]}))
    assert found["accuracy"] == [[1.0], [0.9]]
    assert found["loss"] == [[1.0, 2.0], [0.5, 0.5]]


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50))
def test_a_spark_stays_within_its_box(losses: list[float]) -> None:
    points = [
        point_of({"epoch": i, "loss": loss, "updatedAt": "2026-01-01T00:00:00Z"}) for i, loss in enumerate(losses)
    ]
    drawn = spark([point for point in points if point is not None])
    pairs = [tuple(map(float, pair.split(","))) for pair in drawn.split()]
    assert len(pairs) == len(losses)
    assert all(0 <= x <= 96 and 0 <= y <= 24 for x, y in pairs)


LOG = """[   1.2s] 2 workers ready
[   4.0s] epoch 1/8  accuracy 71.20 %  loss 1.2345  test loss 0.9876  1,234 images/s  1.0 s  2 workers
[   5.0s] epoch 2/8  accuracy 80.00 %  loss 0.9000  test loss 0.8000  1,300 images/s  1.0 s  2 workers
[   6.0s] workers were lost and are being replaced
[   9.0s] epoch 2/8  accuracy 81.00 %  loss 0.8900  test loss 0.7900  1,310 images/s  1.0 s  2 workers
"""


def test_the_trainers_own_lines_tell_what_nobody_was_there_to_see() -> None:
    from io import StringIO

    from mnist_trainer.events import EpochFinished, EpochRecord
    from mnist_trainer.run.console import Console

    out = StringIO()
    record = EpochRecord(3, 9, 0.5, 0.6, 0.9123, 0.1, 1.0, 0.1, 12345.0, 2, 1.0)
    Console(out).observe(EpochFinished(record, b""), 8)  # the real line, or this would look for another one
    found = series(of_log(LOG + out.getvalue()))
    assert found["accuracy"] == [[1.0, 2.0, 3.0], [0.712, 0.81, 0.9123]]
    assert found["images/s"] == [[1.0, 2.0, 3.0], [1234.0, 1310.0, 12345.0]]


def test_what_was_seen_follows_what_the_log_tells() -> None:
    curves = Curves()
    for share in (15, 25, 30):
        curves.observe(training("a", share, loss=share / 100))
    points = joined(of_log(LOG), curves.of("a"))
    assert [point.epoch for point in points] == [1.0, 2.0, 2.5, 3.0]

"""The loop learns, splits its work without changing it, and goes on exactly where it stopped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.unit.trainer.loop_support import KilledError, Recorder, make_job, replan, run_workers

from mnist_trainer.batches import EpochBatches
from mnist_trainer.collective import Alone
from mnist_trainer.errors import FailureReason, TrainerError
from mnist_trainer.train import Outcome, TrainingLoop


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def train(job, recorder=None) -> Outcome:
    return TrainingLoop(job, Alone(), recorder).run()


@pytest.mark.parametrize("model", ["cnn", "mlp", "lenet5"])
def test_learns(model):
    recorder = Recorder()
    outcome = train(make_job(model, epochs=6), recorder)
    assert outcome.evaluation.accuracy >= 0.95
    assert [record.epoch for record in recorder.records] == [1, 2, 3, 4, 5, 6]
    assert recorder.records[-1].train_loss < recorder.records[0].train_loss
    assert recorder.records[-1].accuracy == outcome.evaluation.accuracy
    assert recorder.starts == 1
    assert [report.epoch for report in recorder.progress if report.step == report.steps] == [1, 2, 3, 4, 5, 6]


def test_colour_images():
    assert train(make_job("cnn", epochs=5, channels=3)).evaluation.accuracy >= 0.9


@pytest.mark.parametrize("world_size", [2, 3])
@pytest.mark.parametrize("model", ["mlp", "lenet5"])
def test_workers_compute_what_one_computes(model, world_size):
    """Without batch statistics, N workers on the same global batches give one worker's numbers, up to rounding."""
    job = make_job(model)
    alone, together = train(job), run_workers(job, world_size)
    for outcome in together:
        for name, weight in alone.weights.items():
            torch.testing.assert_close(outcome.weights[name], weight, rtol=2e-3, atol=2e-4)
        torch.testing.assert_close(outcome.evaluation.predictions, alone.evaluation.predictions)
    for one, many in zip(alone.history, together[0].history, strict=True):
        assert many.train_loss == pytest.approx(one.train_loss, rel=1e-4)
        assert many.test_loss == pytest.approx(one.test_loss, rel=1e-3)
        assert (many.accuracy, many.step) == (one.accuracy, one.step)


@pytest.mark.parametrize("model", ["mlp", "lenet5"])
def test_first_gradient_of_workers_is_the_whole_batchs(model):
    job = make_job(model)
    loop = TrainingLoop(job, Alone())
    loop._compute_gradients(next(iter(EpochBatches(job.plan, job.train, 0, 5))))
    whole = loop.flat.reduced.clone()
    shares = torch.zeros_like(whole)
    for rank in range(3):
        loop._compute_gradients(next(iter(EpochBatches(job.plan, job.train, 0, 5, rank, 3))))
        shares += loop.flat.reduced
    torch.testing.assert_close(shares, whole, rtol=1e-4, atol=1e-5)


def test_all_workers_of_a_network_with_statistics_release_the_same():
    first, second = run_workers(make_job("cnn"), 2)
    for name, weight in first.weights.items():
        assert torch.equal(weight, second.weights[name]), name


def test_more_workers_than_images_in_a_batch():
    job = make_job("mlp", train=7, batch=3)
    outcomes = run_workers(job, 5)
    assert outcomes[0].history[-1].step == job.plan.recipe.epochs * 3


@pytest.mark.parametrize(("model", "world_size"), [("cnn", 1), ("cnn", 2), ("lenet5", 2)])
def test_resume_gives_the_numbers_of_an_uninterrupted_run(model, world_size):
    job = make_job(model, epochs=4)
    reference = run_workers(job, world_size)[0]
    killed = Recorder(stop_after=2)
    with pytest.raises(KilledError):
        train(job, killed) if world_size == 1 else run_killed(job, world_size, killed)
    resumed = run_resumed(job, world_size, killed.states[-1])
    for outcome in resumed:
        for name, weight in reference.weights.items():
            assert torch.equal(outcome.weights[name], weight), name
    numbers = [(r.epoch, r.step, r.train_loss, r.test_loss, r.accuracy) for r in resumed[0].history]
    assert numbers == [(r.epoch, r.step, r.train_loss, r.test_loss, r.accuracy) for r in reference.history]


def run_killed(job, world_size, recorder):
    # A killed worker leaves its fellows waiting: break their barrier instead of waiting for its time-out.
    from tests.unit.trainer import loop_support

    exchange = loop_support._Exchange(world_size)
    loops = [TrainingLoop(job, loop_support.ThreadCollective(exchange, rank), recorder) for rank in range(world_size)]

    def run(loop):
        try:
            loop.run()
        finally:
            exchange.barrier.abort()

    with loop_support.ThreadPoolExecutor(world_size) as pool:
        futures = [pool.submit(run, loop) for loop in loops]
    futures[0].result()


def run_resumed(job, world_size, state):
    from tests.unit.trainer import loop_support

    exchange = loop_support._Exchange(world_size)
    loops = [TrainingLoop(job, loop_support.ThreadCollective(exchange, rank)) for rank in range(world_size)]
    loops[0].restore(state)
    with loop_support.ThreadPoolExecutor(world_size) as pool:
        return list(pool.map(lambda loop: loop.run(), loops))


def test_resume_after_the_last_epoch_only_evaluates():
    job = make_job("mlp")
    recorder = Recorder()
    reference = train(job, recorder)
    loop = TrainingLoop(job, Alone())
    loop.restore(recorder.states[-1])
    outcome = loop.run()
    assert outcome.evaluation.accuracy == reference.evaluation.accuracy
    assert len(outcome.history) == len(reference.history)


def test_state_of_another_network_is_refused():
    recorder = Recorder()
    train(make_job("mlp", epochs=1), recorder)
    with pytest.raises(ValueError, match="does not fit"):
        TrainingLoop(make_job("lenet5"), Alone()).restore(recorder.states[-1])


def test_target_accuracy_stops_early():
    job = replan(make_job("mlp", epochs=10), target_accuracy=0.9)
    history = train(job).history
    assert history[-1].accuracy >= 0.9
    assert len(history) < 10
    assert all(record.accuracy < 0.9 for record in history[:-1])


def test_divergence_is_an_error_that_names_the_cause():
    job = make_job("mlp", epochs=1)
    job = replan(job, recipe=replace(job.plan.recipe, peak_rate=1e30))
    with pytest.raises(TrainerError, match="smaller learning rate") as caught:
        train(job)
    assert caught.value.reason is FailureReason.TRAINING_DIVERGED


def test_training_never_writes_to_its_data():
    job = make_job("cnn", epochs=1)
    images = job.train.images.numpy()
    before = images.copy()
    images.flags.writeable = False
    train(job)
    assert np.array_equal(images, before)


def test_batches_are_the_epochs_images_each_augmented_by_its_own_key():
    """Whatever worker computes an image in whatever step, it looks the same."""
    job = make_job("mlp")
    alone = {}
    for batch in EpochBatches(job.plan, job.train, epoch=1, steps=40):
        assert len(batch.labels) == batch.total
        alone.update(
            {image.numpy().tobytes(): int(label) for image, label in zip(batch.images, batch.labels, strict=True)}
        )
    assert len(alone) == len(job.train)
    shared = {}
    for rank in range(3):
        for batch in EpochBatches(job.plan, job.train, 1, 40, rank, 3):
            pairs = zip(batch.images, batch.labels, strict=True)
            shared.update({image.numpy().tobytes(): int(label) for image, label in pairs})
    assert shared == alone

"""A hyper-parameter sweep: Ray Tune over the trainer's own loop, many small trainings side by side.

    ray job submit --working-dir examples/workloads -- python hyperparameter_sweep.py \
        --dataset s3://datasets/digits --output s3://models/sweep --trials 8 --epochs 5

docs/guides/ray-jobs.md says how your machine reaches the cluster. Each trial is one process on one CPU. ASHA ends what
falls behind. Every finished trial's model goes to OUTPUT/TRIAL/model.safetensors; the table of all comes last.
"""

import argparse
import tempfile
from dataclasses import replace
from typing import Any

import ray
import torch
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import BasicVariantGenerator

from mnist_trainer.collective import Alone
from mnist_trainer.config import parse_config
from mnist_trainer.data import Dataset, load_dataset
from mnist_trainer.events import EpochFinished, Event
from mnist_trainer.plan import make_plan
from mnist_trainer.release.files import encode_model
from mnist_trainer.store import ObjectStore, S3Address, StoreSettings
from mnist_trainer.train import TrainingJob, TrainingLoop

SPACE = {
    "model": tune.choice(["mlp", "lenet5"]),
    "learning_rate": tune.loguniform(1e-3, 3e-2),
    "batch_size": tune.choice([32, 64, 128]),
}


def tell_tune(event: Event) -> None:
    """Report each epoch's figures to Ray Tune, which may end the trial there."""
    if isinstance(event, EpochFinished):
        tune.report({"accuracy": event.record.accuracy, "loss": event.record.test_loss})


def train(trial: dict[str, Any], dataset: Dataset, arguments: argparse.Namespace) -> None:
    """One trial: train, and publish the model."""
    config = parse_config(
        {"dataset": arguments.dataset, "output": arguments.output, "epochs": arguments.epochs, **trial}
    )
    plan = make_plan(config, dataset)
    # Ray's shared memory is read-only, and PyTorch warns of that; these images are small enough for a copy.
    arrays = ("train_images", "train_labels", "test_images", "test_labels")
    copied = replace(dataset, **{name: getattr(dataset, name).copy() for name in arrays})
    job = TrainingJob.assemble(plan, copied, torch.device("cpu"))
    outcome = TrainingLoop(job, Alone(), tell_tune).run()
    accuracy = outcome.evaluation.accuracy
    weights = {name: weight.numpy() for name, weight in outcome.weights.items()}
    address = S3Address.parse(arguments.output).child(f"{tune.get_context().get_trial_name()}/model.safetensors")
    ObjectStore(StoreSettings.from_env()).put_bytes(address, encode_model(weights, plan, accuracy))
    tune.report({"accuracy": accuracy, "loss": outcome.evaluation.loss, "model_address": str(address)})


def main() -> None:
    parser = argparse.ArgumentParser(description="Search for a learning rate, a batch size and a network.")
    parser.add_argument("--dataset", default="s3://datasets/digits")
    parser.add_argument("--output", default="s3://models/sweep")
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    ray.init(logging_level="WARNING")
    dataset = load_dataset(ObjectStore(StoreSettings.from_env()), S3Address.parse(arguments.dataset))
    tuner = tune.Tuner(
        # with_parameters puts the dataset into Ray's object store once, for all trials.
        tune.with_resources(tune.with_parameters(train, dataset=dataset, arguments=arguments), {"cpu": 1}),
        param_space=SPACE,
        tune_config=tune.TuneConfig(
            metric="accuracy",
            mode="max",
            num_samples=arguments.trials,
            search_alg=BasicVariantGenerator(random_state=arguments.seed),
            # One report for each epoch, and one for the model.
            scheduler=ASHAScheduler(max_t=arguments.epochs + 1, grace_period=1),
        ),
        run_config=tune.RunConfig(storage_path=tempfile.mkdtemp(), verbose=0),
    )
    results = tuner.fit()

    print(f"{'accuracy':>8}  {'model':<7} {'rate':>7} {'batch':>5} {'epochs':>6}")
    finished = [result for result in results if result.metrics and not result.error]
    for result in sorted(finished, key=lambda result: result.metrics["accuracy"], reverse=True):
        settings, metrics = result.config, result.metrics
        epochs = min(metrics["training_iteration"], arguments.epochs)
        print(
            f"{metrics['accuracy']:8.2%}  {settings['model']:<7} {settings['learning_rate']:7.4f} "
            f"{settings['batch_size']:5} {epochs:6}"
        )
    if results.errors:
        raise SystemExit(f"{len(results.errors)} of {len(results)} trials failed: {results.errors[0]}")
    # Trials that ASHA ended early have no model.
    best = max((r for r in finished if "model_address" in r.metrics), key=lambda r: r.metrics["accuracy"])
    print(f"best model: {best.metrics['model_address']}")


if __name__ == "__main__":
    main()

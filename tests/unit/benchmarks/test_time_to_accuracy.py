"""The comparison of recipes counts right, keeps what it has, and compares with the recipe that it names."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from benchmarks.accuracy import table
from benchmarks.accuracy.example import example_network, train_example
from benchmarks.accuracy.one_process import OURS, epochs_of
from benchmarks.accuracy.results import Case, Epoch, ResultsFile, Run
from benchmarks.accuracy.through_ray import epochs_of_metrics, ray_recipe, ray_workers
from benchmarks.time_to_accuracy import parse, plan

from mnist_trainer.data.dataset import load_folder
from mnist_trainer.data.sources import write_digits

ABOUT = {"dataset": "abc", "threads": 2}


def run(recipe: str, *accuracies: float, seconds: float = 10, seed: int = 0, epochs: int | None = None) -> Run:
    made = [Epoch(number, accuracy, seconds, 1) for number, accuracy in enumerate(accuracies, start=1)]
    return Run(Case(recipe, seed, epochs or len(made)), images=600, epochs=made)


def test_counts_up_to_the_first_epoch_that_reaches_the_target():
    measured = run("ours", 0.97, 0.992, 0.991, 0.995)
    assert measured.epochs_to(0.992) == 2
    assert measured.seconds_to(0.992) == 20
    assert measured.seconds_to(0.992, evaluation=True) == 22
    assert measured.seconds_to(0.996) is None
    assert measured.accuracy == 0.995
    assert measured.images_per_second == 60


def test_interrupted_comparison_goes_on(tmp_path):
    path = tmp_path / "new" / "results.json"
    whole, half, wanted = run("ours", 0.98, 0.99), run("ours", 0.98, seed=1, epochs=2), Case("ours", 2, 2)
    results = ResultsFile(path, ABOUT)
    results.keep(whole)
    results.keep(half)
    again = ResultsFile(path, ABOUT)
    assert again.runs == [whole, half]
    assert again.missing([whole.case, half.case, wanted]) == [half.case, wanted]
    again.keep(replace(half, epochs=run("ours", 0.97, 0.98).epochs))
    assert ResultsFile(path, ABOUT).missing([whole.case, half.case, wanted]) == [wanted]
    assert ResultsFile(path, ABOUT, fresh=True).runs == []
    assert [entry["complete"] for entry in json.loads(path.read_text())["runs"]] == [True, True]


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"format": 1, "about": {"dataset": "abc", "threads": 2}, "runs": [{}]}']
)
def test_what_is_no_results_file_is_refused(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(SystemExit, match="give another --out, or --fresh"):
        ResultsFile(path, ABOUT)


def test_other_data_is_not_mixed_in(tmp_path):
    path = tmp_path / "results.json"
    ResultsFile(path, ABOUT).keep(run("ours", 0.9))
    with pytest.raises(SystemExit, match="other data"):
        ResultsFile(path, {**ABOUT, "dataset": "def"})


def test_table_shows_medians_spread_and_ratio():
    runs = [
        run("ours", 0.99, 0.993, seconds=2),
        run("ours", 0.993, 0.996, seconds=3, seed=1),
        run("ours", 0.9, seed=2, epochs=2),  # not finished: does not count
        run("example", 0.98, 0.991, 0.992, seconds=50),
    ]
    rows = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in table.markdown(runs, "example").splitlines()}
    cells = {name: [cell.strip() for cell in row] for name, row in rows.items()}
    assert cells[""] == ["ours", "example"]
    assert cells["seeds"] == ["2", "1"]
    assert cells["seconds of training to 99.2 %"] == ["3.5 (3.0 to 4.0)", "150.0"]
    assert cells["epochs to 99.2 %"] == ["2 (1 to 2)", "3"]
    assert cells["99.2 % so many times sooner"] == ["42.9", ""]
    assert cells["epochs to 99.5 %"] == ["2, 1 of 2 runs", "never"]
    assert cells["99.5 % so many times sooner"] == ["", ""]
    assert cells["final accuracy"] == ["99.45 % (99.30 % to 99.60 %)", "99.20 %"]
    assert cells["images per second"] == ["250 (200 to 300)", "12"]


def test_table_shows_an_unfinished_recipe_as_such():
    runs = [run("ours", 0.993, seconds=2), run("example", 0.98, 0.993, seconds=50, epochs=14)]
    lines = table.markdown(runs, "example").splitlines()
    assert "| epochs in all | 1 | 2 of 14, then stopped |" in lines
    assert "| 99.2 % so many times sooner | 50.0 |  |" in lines


def test_table_without_runs():
    assert table.markdown([], "example") == "no run was finished"


def test_plan_makes_every_run_once():
    args = parse(["--data", "d", "--seeds", "2", "--example-seeds", "1", "--ray-workers", "1,4", "--ray-seeds", "1"])
    cases = plan(args)
    assert cases == [
        Case("ours", 0, 5),
        Case("ours", 1, 5),
        Case("ray-1", 0, 5),
        Case("ray-4", 0, 5),
        Case("example", 0, 14),
    ]
    assert [
        case for case in plan(parse(["--data", "d", "--skip-example", "--ray-workers", ""])) if case.recipe != OURS
    ] == []


@pytest.mark.parametrize(
    "arguments", [["--seeds", "-1"], ["--ray-workers", "two"], ["--ray-workers", "0"], ["--epochs", "0"]]
)
def test_bad_arguments(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        parse(["--data", "d", *arguments])
    assert caught.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_names_of_recipes_through_ray():
    assert ray_workers(ray_recipe(4)) == 4
    assert ray_workers(OURS) is None


def test_epochs_come_from_the_metrics_of_a_run():
    record = {"epoch": 1, "accuracy": 0.9, "train_seconds": 2.5, "evaluation_seconds": 0.5, "workers": 2, "step": 7}
    assert epochs_of_metrics({"epochs": [record]}) == [Epoch(1, 0.9, 2.5, 0.5)]


def test_example_network_has_the_published_layers():
    network = example_network().eval()
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_199_882
    probabilities = network(torch.rand(3, 1, 28, 28)).exp().sum(1)
    torch.testing.assert_close(probabilities, torch.ones(3))


def test_example_draws_from_its_seed(tmp_path):
    write_digits(tmp_path)
    dataset = load_folder(tmp_path)
    few = replace(
        dataset,
        train_images=dataset.train_images[:192],
        train_labels=dataset.train_labels[:192],
        test_images=dataset.test_images[:100],
        test_labels=dataset.test_labels[:100],
    )
    first, again, other = ([epoch.accuracy for epoch in train_example(few, seed, 2)] for seed in (0, 0, 1))
    assert len(first) == 2
    assert first == again
    assert first != other


def test_recipe_in_a_process_of_its_own(tmp_path):
    write_digits(tmp_path)
    epochs = list(epochs_of(Case(OURS, 0, 2), tmp_path, threads=1))
    assert [epoch.epoch for epoch in epochs] == [1, 2]
    assert epochs[-1].accuracy > 0.5

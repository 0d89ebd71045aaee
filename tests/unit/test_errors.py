import json
import pickle
from pathlib import Path

import pytest

from mnist_trainer import errors
from mnist_trainer.errors import FailureReason, TrainerError

CONTRACT = json.loads((Path(__file__).parents[2] / "contracts" / "trainer.json").read_text())


def test_failure_reasons_are_the_contract() -> None:
    ours = {r.value: {"retryable": r.retryable, "exitCode": r.exit_code} for r in FailureReason}
    assert ours == CONTRACT["failureReasons"]


@pytest.mark.parametrize("kind", [TrainerError, *TrainerError.__subclasses__()])
def test_errors_survive_pickling(kind: type[TrainerError]) -> None:
    error = pickle.loads(pickle.dumps(kind("what happened")))
    assert type(error) is kind
    assert (error.message, str(error), error.reason) == ("what happened", "what happened", kind.default_reason)


def test_a_given_reason_wins_and_is_pickled() -> None:
    error = pickle.loads(pickle.dumps(errors.StoreUnreachableError("x", FailureReason.OUT_OF_SPACE)))
    assert error.reason is FailureReason.OUT_OF_SPACE
    assert (error.retryable, error.exit_code) == (True, 74)

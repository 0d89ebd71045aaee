"""A process under a number that no passwd file knows, with no home, works as any other: OpenShift runs pods so."""

from __future__ import annotations

import getpass
import os
import pwd
import tempfile
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from tests.unit.trainer.release_support import CONFIG
from tests.unit.trainer.test_tracking import track

from mnist_trainer.localdisk import name_user_and_home
from mnist_trainer.plan import make_plan


@pytest.fixture(autouse=True)
def unknown_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under a random uid: nothing knows the user, and the environment does not say."""

    def unknown(uid: int) -> pwd.struct_passwd:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "")  # so that what a test sets is undone
        monkeypatch.delenv(name)


def test_user_and_home_are_named() -> None:
    with pytest.raises(RuntimeError):
        Path.home()
    name_user_and_home(os.environ)
    assert Path.home() == Path(tempfile.gettempdir())
    assert getpass.getuser() == f"uid-{os.getuid()}"


def test_a_home_that_is_not_there_is_replaced_and_one_that_is_there_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")
    name_user_and_home(os.environ)
    assert Path.home() == Path(tempfile.gettempdir())
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USER", "somebody")
    name_user_and_home(os.environ)
    assert (Path.home(), os.environ["USER"]) == (tmp_path, "somebody")


def test_a_run_is_tracked(dataset, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    name_user_and_home(os.environ)
    env = {"MLFLOW_TRACKING_URI": f"file:{tmp_path}"}
    track(env, make_plan(CONFIG, dataset))
    assert MlflowClient(env["MLFLOW_TRACKING_URI"]).get_experiment_by_name("mnist") is not None

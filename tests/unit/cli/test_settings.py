import pytest

from mnist_cli.running import CommandError
from mnist_cli.settings import overridden


def test_settings() -> None:
    body = {"spec": {"training": {"epochs": 5}}, "metadata": {"name": "a"}}
    settings = [
        "spec.training.epochs=3",
        "spec.workers.replicas=4",
        "metadata.name=b",
        "spec.storage.output=s3://m/x=y",
    ]
    settings += [r"metadata.annotations.example\.org/team=blue", "spec.runPolicy.suspend=true"]
    assert overridden(body, settings) == {
        "spec": {
            "training": {"epochs": 3},
            "workers": {"replicas": 4},
            "storage": {"output": "s3://m/x=y"},
            "runPolicy": {"suspend": True},
        },
        "metadata": {"name": "b", "annotations": {"example.org/team": "blue"}},
    }
    assert body["spec"] == {"training": {"epochs": 5}}, "the original is left alone"


NO_SETTINGS = [
    "epochs=3",
    "spec.training.epochs",
    "spec=3",
    "status.phase=Succeeded",
    "spec..x=1",
    "spec.training.epochs.x=1",
    "spec.a=[",
]


@pytest.mark.parametrize("setting", NO_SETTINGS)
def test_what_is_no_setting(setting: str) -> None:
    with pytest.raises(CommandError, match="--set"):
        overridden({"spec": {"training": {"epochs": 5}}}, [setting])

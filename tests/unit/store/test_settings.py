import pickle
from pathlib import Path

import pytest

from mnist_trainer.errors import InvalidConfigError, StoreAccessDeniedError
from mnist_trainer.store import RetryPolicy, StoreSettings

KEYS = {"AWS_ACCESS_KEY_ID": "the-key", "AWS_SECRET_ACCESS_KEY": "the-secret"}


def test_all_variables(tmp_path: Path) -> None:
    env = {
        **KEYS,
        "AWS_SESSION_TOKEN": "the-token",
        "AWS_ENDPOINT_URL": "https://minio.example.org:9000/",
        "AWS_REGION": "eu-west-1",
        "MNIST_STORAGE_CA_PEM": "PEM",
    }
    settings = StoreSettings.from_env(env)
    assert settings == StoreSettings(
        "https://minio.example.org:9000", "eu-west-1", "the-key", "the-secret", "the-token", "PEM"
    )
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_secrets_are_not_shown() -> None:
    env = {**KEYS, "AWS_SESSION_TOKEN": "the-token"}
    shown = repr(StoreSettings.from_env(env))
    for secret in ("the-key", "the-secret", "the-token"):
        assert secret not in shown


def test_arguments_win_and_newlines_of_secrets_go() -> None:
    env = {k: v + "\n" for k, v in KEYS.items()} | {"AWS_ENDPOINT_URL": "http://a:1", "AWS_REGION": "x"}
    settings = StoreSettings.from_env(env, endpoint="http://b:2", region="y")
    assert (settings.endpoint, settings.region, settings.secret_key) == ("http://b:2", "y", "the-secret")


def test_no_endpoint_is_aws() -> None:
    assert StoreSettings.from_env(KEYS).where == "AWS S3"


def test_ca_from_a_file(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("PEM")
    assert StoreSettings.from_env({**KEYS, "AWS_CA_BUNDLE": str(bundle)}).ca_pem == "PEM"
    with pytest.raises(InvalidConfigError, match="AWS_CA_BUNDLE"):
        StoreSettings.from_env({**KEYS, "AWS_CA_BUNDLE": str(tmp_path / "none")})


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({}, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ({"AWS_ACCESS_KEY_ID": "k"}, "AWS_SECRET_ACCESS_KEY is not set"),
        ({"AWS_SECRET_ACCESS_KEY": "s"}, "AWS_ACCESS_KEY_ID is not set"),
        ({"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": " \n"}, "AWS_SECRET_ACCESS_KEY is not set"),
    ],
)
def test_missing_credentials(env: dict[str, str], says: str) -> None:
    with pytest.raises(StoreAccessDeniedError, match=says):
        StoreSettings.from_env(env)


def test_workload_identity_needs_no_keys() -> None:
    assert StoreSettings.from_env({"AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}).access_key is None


@pytest.mark.parametrize(
    "endpoint",
    [
        "minio:9000",
        "ftp://minio",
        "http://",
        "http://minio/bucket",
        "http://minio:port",
        "http://m inio",
        "http://[::1",
        "http://m?x",
    ],
)
def test_malformed_endpoints(endpoint: str) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        StoreSettings.from_env(KEYS, endpoint=endpoint)
    assert "\n" not in caught.value.message


def test_credentials_in_an_endpoint_are_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidConfigError) as caught:
        StoreSettings.from_env(KEYS, endpoint="http://user:hunter2@minio:9000")
    assert "hunter2" not in caught.value.message


def test_policy_from_the_environment() -> None:
    assert RetryPolicy.from_env({"MNIST_STORAGE_GIVE_UP_AFTER": "7.5"}) == RetryPolicy(give_up_after=7.5)
    for bad in ("0", "-1", "soon", "nan", "inf"):
        with pytest.raises(InvalidConfigError, match="MNIST_STORAGE_READ_TIMEOUT"):
            RetryPolicy.from_env({"MNIST_STORAGE_READ_TIMEOUT": bad})

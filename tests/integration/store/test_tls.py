"""A store behind a private CA."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from tests.support.s3 import S3Handle, start_s3

from mnist_trainer.errors import InvalidConfigError
from mnist_trainer.store import ObjectStore, S3Address, StoreSettings


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls_s3(tmp_path_factory: pytest.TempPathFactory, ca: trustme.CA) -> Iterator[S3Handle]:
    folder = tmp_path_factory.mktemp("tls")
    issued = ca.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    env = {"RCLONE_CERT": str(folder / "cert.pem"), "RCLONE_KEY": str(folder / "key.pem")}
    with start_s3(folder, "models", env=env) as handle:
        yield handle


def test_given_the_ca_it_works(tls_s3: S3Handle, ca: trustme.CA, tmp_path: Path) -> None:
    assert tls_s3.endpoint.startswith("https://")
    pem = ca.cert_pem.bytes().decode()
    bundle = tmp_path / "ca.pem"
    bundle.write_text(pem)
    for more in ({"MNIST_STORAGE_CA_PEM": pem}, {"AWS_CA_BUNDLE": str(bundle)}):
        store = ObjectStore(StoreSettings.from_env({**tls_s3.env, **more}))
        data = b"x" * 300_000
        store.put_bytes(S3Address("models", "x"), data)
        assert store.get_bytes(S3Address("models", "x")) == data


def test_without_the_ca_the_error_says_what_to_do(tls_s3: S3Handle) -> None:
    store = ObjectStore(StoreSettings.from_env(tls_s3.env))
    with pytest.raises(InvalidConfigError, match=r"not trusted.*MNIST_STORAGE_CA_PEM"):
        store.check(S3Address("models"))


def test_a_ca_that_is_no_pem(tls_s3: S3Handle) -> None:
    with pytest.raises(InvalidConfigError, match="not valid PEM"):
        ObjectStore(StoreSettings.from_env({**tls_s3.env, "MNIST_STORAGE_CA_PEM": "nonsense"}))

"""A store behind a private CA."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
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


def test_a_certificate_for_another_name_says_which_names_it_holds(tls_s3: S3Handle, ca: trustme.CA) -> None:
    """The CA is known: to give it once more would not help."""
    env = {**tls_s3.env, "MNIST_STORAGE_CA_PEM": ca.cert_pem.bytes().decode()}
    elsewhere = tls_s3.endpoint.replace("127.0.0.1", "localhost")
    with pytest.raises(InvalidConfigError, match=r"is for 127\.0\.0\.1, not for localhost: use one of its") as caught:
        ObjectStore(StoreSettings.from_env(env, endpoint=elsewhere)).check(S3Address("models"))
    assert "give its CA" not in caught.value.message


def test_a_certificate_of_another_authority_does_not_ask_for_what_was_given(tls_s3: S3Handle) -> None:
    other = trustme.CA().cert_pem.bytes().decode()
    store = ObjectStore(StoreSettings.from_env({**tls_s3.env, "MNIST_STORAGE_CA_PEM": other}))
    with pytest.raises(InvalidConfigError, match=r"not trusted .* it is not from the CA in MNIST_STORAGE_CA_PEM"):
        store.check(S3Address("models"))


@pytest.mark.parametrize("operation", ["list", "stat", "put"])
def test_plain_http_to_a_tls_port_says_so(tls_s3: S3Handle, operation: str) -> None:
    store = ObjectStore(StoreSettings.from_env(tls_s3.env, endpoint=tls_s3.endpoint.replace("https:", "http:")))
    address = S3Address("models", "x")
    asked = {"list": lambda: next(store.list(address), None), "stat": lambda: store.stat(address)}
    with pytest.raises(InvalidConfigError, match=r"speaks TLS: is the endpoint https:// instead of http://\?"):
        asked.get(operation, lambda: store.put_bytes(address, b"x"))()


@pytest.mark.parametrize("answer", [b"\x15\x03\x03\x00\x02\x02\x46", b""], ids=["an alert", "nothing"])
def test_plain_http_to_a_tls_port_of_any_server(ca: trustme.CA, answer: bytes) -> None:
    """Those that are not written in Go answer by a TLS alert, or close the connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                if connection.recv(1, socket.MSG_PEEK) == b"\x16":
                    context.wrap_socket(connection, server_side=True).close()
                else:
                    connection.recv(65536)
                    connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    env = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    endpoint = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with pytest.raises(InvalidConfigError, match="speaks TLS: is the endpoint https://"):
        ObjectStore(StoreSettings.from_env(env, endpoint=endpoint)).check(S3Address("models"))
    listening.close()


def test_a_ca_that_is_no_pem(tls_s3: S3Handle) -> None:
    with pytest.raises(InvalidConfigError, match="not valid PEM"):
        ObjectStore(StoreSettings.from_env({**tls_s3.env, "MNIST_STORAGE_CA_PEM": "nonsense"}))

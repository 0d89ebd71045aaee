"""What is wrong is said in one sentence, with what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.support.scene import Scene

from mnist_client import (
    AsyncClient,
    Client,
    ConnectionFailedError,
    MnistError,
    NotAllowedError,
    NotFoundError,
    RefusedError,
    Training,
    UnauthenticatedError,
)


def cluster_of(scene: Scene) -> dict[str, str]:
    found: dict[str, str] = yaml.safe_load(scene.kubeconfig.read_text())["clusters"][0]["cluster"]
    return found


def test_no_kubeconfig(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConnectionFailedError, match="no kubeconfig: set KUBECONFIG, or name a file"):
        Client()
    with pytest.raises(ConnectionFailedError, match="nowhere: there is no such file"):
        Client(kubeconfig="nowhere")


def test_a_server_that_is_not_there(scene: Scene) -> None:
    with Client(server="https://127.0.0.1:9", token="x") as client, pytest.raises(ConnectionFailedError) as caught:
        client.list()
    assert caught.value.may_pass
    assert caught.value.message.startswith("https://127.0.0.1:9 cannot be reached: ")


def test_a_server_and_a_token_instead_of_a_kubeconfig(scene: Scene) -> None:
    scene.create()
    where, ca = cluster_of(scene), scene.server.ca_file
    for authority in (ca, str(ca), ca.read_text()):
        with Client(scene.namespace, server=where["server"], token=scene.server.token, ca=authority) as client:
            assert [training.name for training in client.list()] == ["mnist"]
    untrusting = Client(server=where["server"], token=scene.server.token)
    with untrusting, pytest.raises(ConnectionFailedError, match="certificate is not trusted"):
        untrusting.list()
    with pytest.raises(ConnectionFailedError, match=r"the authority \(ca\) of .* cannot be read"):
        Client(server=where["server"], token="x", ca="nowhere")
    nobody = Client(server=where["server"], token="wrong", ca=ca)
    with nobody, pytest.raises(UnauthenticatedError, match="does not accept these credentials"):
        nobody.list()


CALLS: dict[str, Callable[[Client], object]] = {
    "submit": lambda c: c.submit(Training("new")),
    "get": lambda c: c.get("mnist"),
    "list": lambda c: c.list(),
    "watch": lambda c: next(c.watch()),
    "wait": lambda c: c.wait("mnist"),
    "logs": lambda c: list(c.logs("mnist")),
    "events": lambda c: list(c.events("mnist")),
    "suspend": lambda c: c.suspend("mnist"),
    "delete": lambda c: c.delete("mnist"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_is_forbidden(scene: Scene, call: Callable[[Client], object]) -> None:
    scene.create()
    with scene.as_viewer_of() as client, pytest.raises(NotAllowedError) as caught:
        call(client)
    assert "is forbidden" in caught.value.message
    assert "ask for the role view (to look) or edit (to change)" in caught.value.message
    assert not caught.value.may_pass


def test_who_may_look_may_not_change(scene: Scene) -> None:
    scene.create()
    with scene.as_viewer_of("mnisttrainings") as client:
        assert client.get("mnist").phase == "Pending"
        for change in (CALLS["suspend"], CALLS["delete"], lambda c: c.scale("mnist", 3)):
            with pytest.raises(NotAllowedError, match="is forbidden"):
                change(client)


def test_a_namespace_that_is_not_there(scene: Scene) -> None:
    with Client("elsewhere") as client:
        with pytest.raises(NotFoundError, match="'mnist' in namespace 'elsewhere'; there is no such namespace"):
            client.get("mnist")
        with pytest.raises(NotFoundError, match='namespaces "elsewhere" not found'):
            client.submit(Training("mnist"))


async def test_a_client_for_each_user_s_token_is_cheap(scene: Scene, aclient: AsyncClient) -> None:
    """As a web portal makes them: one for each bearer, of one authority."""
    scene.create()
    async with aclient.as_user(scene.server.token) as user:
        assert user.namespace == scene.namespace
        assert [training.name for training in await user.list()] == ["mnist"]
    async with aclient.as_user("wrong") as nobody:
        with pytest.raises(MnistError, match="does not accept"):
            await nobody.list()
    assert await aclient.list(), "the first one is as it was"


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda c: c.wait("mnist", until="succeeded"), "there is no phase 'succeeded', but Pending, Provisioning, "),
        (lambda c: c.wait("mnist", until=("Failed", "Done")), "there is no phase 'Done'"),
        (lambda c: list(c.logs("mnist", tail=-1)), "tail is a number of lines, and not -1"),
        (lambda c: list(c.logs("mnist", attempt=0)), "attempts are counted from 1"),
        (lambda c: c.get(""), "'' is no name of a training"),
        (lambda c: c.delete(".."), "'..' is no name of a training"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_once(
    scene: Scene, client: Client, call: Callable[[Client], object], sentence: str
) -> None:
    client.submit(Training("mnist"))
    with pytest.raises(RefusedError) as caught:
        call(client)
    assert caught.value.message.startswith(sentence)
    assert client.get("mnist").name == "mnist"


def test_a_token_as_files_hold_it_and_a_server_without_its_scheme(scene: Scene) -> None:
    scene.create()
    server, token, ca = cluster_of(scene)["server"], f"{scene.server.token}\n", scene.server.ca_file
    with Client(scene.namespace, server=server, token=token, ca=ca) as client:
        assert client.get("mnist").name == "mnist"
    with pytest.raises(ConnectionFailedError, match=r"has to be a URL, such as https://127\.0\.0\.1:6443"):
        Client(server="127.0.0.1:6443")

"""Rules that need no server: hosts, origins, sessions, identities, stores."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_kube.connection import Connection
from mnist_portal.identity import NotTrustedError, bearer_token, clean_token, of_header, of_kubeconfig
from mnist_portal.security import is_from_here, is_reachable_store, knows_host, local_path
from mnist_portal.sessions import OneTimeToken, Sessions
from mnist_portal.settings import Mode, Settings, SettingsError, check, from_env

POD = Connection("https://api")
SECRET = "s" * 40


@pytest.fixture
def header(tmp_path: Path) -> Settings:
    (tmp_path / "secret").write_text(SECRET + "\n")
    return Settings(mode=Mode.HEADER, hosts=("portal",), proxy_secret_file=tmp_path / "secret")


def test_the_proxys_user_is_impersonated_with_its_groups(header: Settings) -> None:
    told = {"X-Portal-Proxy-Secret": SECRET, "X-Forwarded-User": "ada", "X-Forwarded-Groups": "ml, ops"}
    identity = of_header(header, POD, told)
    assert identity is not None
    assert identity.connection.impersonate == ("ada", "ml", "ops")
    assert SECRET not in repr(identity)


@pytest.mark.parametrize("secret", ["", "wrong", SECRET[:-1], SECRET + "x"])
def test_who_does_not_know_the_proxys_secret_names_nobody(header: Settings, secret: str) -> None:
    with pytest.raises(NotTrustedError):
        of_header(header, POD, {"X-Portal-Proxy-Secret": secret, "X-Forwarded-User": "ada"})


def test_kubernetes_own_users_and_groups_are_never_impersonated(header: Settings) -> None:
    told = {"X-Portal-Proxy-Secret": SECRET, "X-Forwarded-User": "system:admin"}
    with pytest.raises(NotTrustedError):
        of_header(header, POD, told)
    identity = of_header(header, POD, {**told, "X-Forwarded-User": "ada", "X-Forwarded-Groups": "system:masters,ml"})
    assert identity is not None
    assert identity.connection.impersonate == ("ada", "ml")


def test_other_groups_are_another_identity(header: Settings) -> None:
    told = {"X-Portal-Proxy-Secret": SECRET, "X-Forwarded-User": "ada"}
    keys = {of_header(header, POD, {**told, "X-Forwarded-Groups": g}).key for g in ("", "a", "a,b", "b,a")}  # type: ignore[union-attr]
    assert len(keys) == 3


def test_mode_header_without_a_proof_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="anybody who reaches the pod"):
        check(Settings(mode=Mode.HEADER, hosts=("portal",)))
    (tmp_path / "short").write_text("short")
    with pytest.raises(SettingsError, match="at least 32"):
        check(Settings(mode=Mode.HEADER, hosts=("portal",), proxy_secret_file=tmp_path / "short"))


def test_a_pod_has_to_know_its_names() -> None:
    with pytest.raises(SettingsError, match="HOSTS"):
        check(from_env({}))


@pytest.mark.parametrize(
    "env", [{"MNIST_PORTAL_MODE": "local"}, {"MNIST_PORTAL_PORT": "http"}, {"MNIST_PORTAL_MODE": "none"}]
)
def test_settings_that_make_no_sense_are_refused(env: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        from_env(env)


def test_a_pods_hosts_are_those_it_was_given() -> None:
    settings = Settings(mode=Mode.TOKEN, hosts=("Portal.example.org", "portal:8080"))
    assert knows_host(settings, "portal.example.org", 1)
    assert knows_host(settings, "portal:8080", 1)
    assert not knows_host(settings, "127.0.0.1:1", 1)
    assert not knows_host(settings, "portal.example.org.evil", 1)


@given(st.text(max_size=40))
def test_no_text_leads_off_the_portal(text: str) -> None:
    path = local_path(text)
    assert path.startswith("/")
    assert not path.startswith(("//", "/\\"))


@given(st.text(max_size=40))
def test_only_this_hosts_own_pages_are_from_here(origin: str) -> None:
    if origin not in ("http://portal:1", "https://portal:1"):
        headers = {"Host": "portal:1", "Origin": origin}
        assert not is_from_here(headers) or origin.split("://", 1)[-1].split("/")[0].lower() == "portal:1"
    assert is_from_here({"Host": "portal:1", "Origin": "https://portal:1"})


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "169.254.169.254", "fe80::1", "0.0.0.0", "::ffff:127.0.0.1"])
def test_a_pod_never_asks_itself_or_its_nodes_identity_for_a_model(address: str) -> None:
    assert not is_reachable_store(Settings(mode=Mode.TOKEN), address)
    assert is_reachable_store(Settings(mode=Mode.LOCAL), address)


def test_a_pod_asks_the_clusters_own_stores() -> None:
    assert is_reachable_store(Settings(mode=Mode.TOKEN), "10.96.3.4")


@pytest.mark.parametrize("text", ["", "short", "with\x00null-in-it", "ünïcode-token", "a" * 20000])
def test_what_cannot_be_a_token_is_none(text: str) -> None:
    assert clean_token(text) == ""


def test_a_token_may_be_pasted_with_line_breaks() -> None:
    assert clean_token(" eyJhbGci.\n eyJzdWIi.sig \n") == "eyJhbGci.eyJzdWIi.sig"
    assert bearer_token({"Authorization": "bearer abcdefgh.ijk"}) == "abcdefgh.ijk"
    assert bearer_token({"Authorization": "Basic abcdefgh"}) == ""


# --- sessions --------------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_session_ends_when_nobody_asks_and_at_the_latest_at_its_time() -> None:
    clock = Clock()
    sessions = Sessions(life=100, idle=30, clock=clock)
    session = sessions.begin(of_kubeconfig(POD, "ada"))
    for clock.now in (20, 40, 60, 80):
        assert sessions.find(session.id) is session
    clock.now = 101
    assert sessions.find(session.id) is None
    other = sessions.begin(of_kubeconfig(POD, "ada"))
    clock.now = 120
    assert sessions.holds(other)
    clock.now = 132
    assert not sessions.holds(other)  # looking on is no use of it
    assert sessions.find(other.id) is None


def test_there_are_only_so_many_and_who_was_idle_longest_goes() -> None:
    clock = Clock()
    sessions = Sessions(life=1e6, idle=1e6, most=3, clock=clock)
    made = []
    for clock.now in range(3):
        made.append(sessions.begin(of_kubeconfig(POD, "ada")))
    clock.now = 5
    sessions.find(made[0].id)
    sessions.begin(of_kubeconfig(POD, "bob"))
    assert [sessions.find(one.id) is not None for one in made] == [True, False, True]


def test_what_is_secret_is_not_in_what_is_printed_of_a_session() -> None:
    session = Sessions(1, 1).begin(of_kubeconfig(POD.with_token("tok-123456"), "ada"))
    for secret in (session.id, session.csrf, "tok-123456"):
        assert secret not in repr(session)


def test_a_one_time_token_is_good_once() -> None:
    told: list[str] = []
    token = OneTimeToken(told.append)
    first = token.value
    assert not token.take("")
    assert not token.take(first + "x")
    assert token.take(first)
    assert not token.take(first)
    assert told == [first, token.value]

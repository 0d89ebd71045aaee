"""Another user's view of the same server: trusted the same way, and never with the first user's identity."""

from __future__ import annotations

from pathlib import Path

import trustme

from mnist_kube.connection import Connection

AUTHORITY = trustme.CA()
SERVER = Connection("https://api.example.org", ca_pem=AUTHORITY.cert_pem.bytes().decode(), token="mine", renewable=True)


def test_another_token_on_the_same_trust() -> None:
    other = SERVER.with_token("theirs")
    assert (other.present_token(), other.renewable, other.server) == ("theirs", False, SERVER.server)
    assert other.ssl_context is SERVER.ssl_context, "to read the authorities anew costs a hundred times the rest"
    assert SERVER.present_token() == "mine"


def test_a_client_certificate_stays_with_its_owner(tmp_path: Path) -> None:
    leaf = AUTHORITY.issue_cert("somebody@example.org")
    pem = leaf.cert_chain_pems[0].bytes() + leaf.private_key_pem.bytes()
    mine = Connection("https://api.example.org", ca_pem=SERVER.ca_pem, client_pem=pem, token_file=tmp_path / "token")
    other = mine.with_token("theirs")
    assert (other.client_pem, other.token_file, other.present_token()) == (b"", None, "theirs")
    assert other.ssl_context is not mine.ssl_context, "the context holds the certificate"

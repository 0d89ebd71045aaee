"""Field managers."""

from __future__ import annotations

from mnist_local.apiserver.patch.managers import Managers

KEY = ("operator", "Update", "coordination.k8s.io/v1", "")


def test_a_manager_that_lost_all_its_fields_can_get_some_again() -> None:
    managers = Managers([])
    path = ("f:spec", "f:holderIdentity")
    managers.give(KEY, [path], None)
    managers.take([path])
    assert managers.entries() == []
    managers.give(KEY, [path], "2026-11-21T09:00:00Z")
    assert [entry["manager"] for entry in managers.entries()] == ["operator"]

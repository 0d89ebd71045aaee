"""What `kubectl get` prints: printer columns and their paths, ages, the cells of pods."""

from typing import Any

import orjson
import pytest

from mnist_kube.times import timestamp
from mnist_local.apiserver import tables
from mnist_local.apiserver.kinds import builtin_resources
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.store import Entry

OBJ = {
    "spec": {"a.b": 1, "list": [{"k": "x"}, {"k": "y"}], "name": "n"},
    "status": {"conditions": [{"type": "Up", "status": "True"}, {"type": "Down", "status": "False"}]},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.name", "n"),
        (".spec.none.deeper", None),
        ('.status.conditions[?(@.type=="Up")].status', "True"),
        (".status.conditions[?(@.type == 'Down')].status", "False"),
        (".spec.list[1].k", "y"),
        (".spec.list[-1].k", "y"),
        (".spec.list[5].k", None),
        (r".spec.a\.b", 1),
    ],
)
def test_paths_of_columns(path: str, found: Any) -> None:
    assert tables.find(OBJ, path) == found


@pytest.mark.parametrize("path", ["a", ".a[", ".a[?(x)]", ".a[b]", ".a]", ".a..b", ".a[*]"])
def test_paths_that_are_not_read(path: str) -> None:
    with pytest.raises(tables.PathError):
        tables.parse_path(path)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (125, "2m"), (7_199, "119m"), (7_200, "2h"),
        (172_799, "47h"), (172_800, "2d"), (691_200, "8d"),
    ],
)  # fmt: skip
def test_ages_have_one_unit(seconds: int, shown: str) -> None:
    assert tables.human(seconds) == shown


def row(resource: Resource, obj: dict[str, Any], *, wide: bool = False) -> dict[str, Any]:
    """One object's cells by column."""
    obj = {"metadata": {"name": "one", "creationTimestamp": timestamp(), **obj.pop("metadata", {})}, **obj}
    table = tables.table_of(resource, [Entry(("", "one"), obj, orjson.dumps(obj), 1)], "Metadata")
    columns = [column["name"] for column in table["columnDefinitions"] if wide or not column["priority"]]
    return dict(zip(columns, table["rows"][0]["cells"], strict=False))


def builtin(plural: str) -> Resource:
    return next(resource for resource in builtin_resources() if resource.plural == plural)


def test_custom_columns_hold_values_of_their_type() -> None:
    columns = tuple(
        {"name": name, "type": type_, "jsonPath": f".spec.{field}"}
        for name, type_, field in (
            ("Size", "integer", "size"), ("Share", "number", "share"), ("On", "boolean", "on"),
            ("Text", "string", "on"), ("Age", "date", "when"), ("Wrong", "integer", "when"),
            ("Absent", "string", "none"),
        )
    )  # fmt: skip
    kind = {"group": "g", "version": "v1", "kind": "K", "plural": "ks", "singular": "k", "namespaced": True}
    resource = Resource(**kind, custom=True, columns=columns)
    spec = {"size": 2.0, "share": 0.5, "on": True, "when": timestamp()}
    assert row(resource, {"spec": spec}) == {
        "Name": "one", "Size": 2, "Share": 0.5, "On": True, "Text": "true", "Age": "0s", "Wrong": None, "Absent": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ({"phase": "Pending"}, ("0/1", "Pending", "0")),
        ({"phase": "Running", "containerStatuses": [{"ready": True, "restartCount": 2, "state": {"running": {}}}]},
         ("1/1", "Running", "2")),
        ({"phase": "Running", "containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
         ("0/1", "CrashLoopBackOff", "0")),
        ({"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 3}}}]},
         ("0/1", "ExitCode:3", "0")),
        ({"phase": "Failed", "reason": "Evicted"}, ("0/1", "Evicted", "0")),
    ],
)  # fmt: skip
def test_a_pods_state_is_one_word(status: dict[str, Any], shown: tuple[str, str, str]) -> None:
    found = row(builtin("pods"), {"spec": {"containers": [{"name": "c"}]}, "status": status})
    assert (found["Ready"], found["Status"], found["Restarts"]) == shown


def test_a_pod_that_is_being_deleted_says_so() -> None:
    pod = {"metadata": {"deletionTimestamp": timestamp()}, "spec": {}, "status": {"phase": "Running"}}
    assert row(builtin("pods"), pod)["Status"] == "Terminating"


def test_events_and_other_kinds() -> None:
    about = {"kind": "MnistTraining", "name": "m"}
    event = {
        "involvedObject": about,
        "reason": "Started",
        "type": "Normal",
        "message": "x",
        "eventTime": timestamp(),
    }
    assert list(row(builtin("events"), event).values()) == ["0s", "Normal", "Started", "mnisttraining/m", "x"]
    assert row(builtin("secrets"), {"type": "Opaque", "data": {"a": "b"}}) == {
        "Name": "one", "Type": "Opaque", "Data": 1, "Age": "0s",
    }  # fmt: skip
    assert row(builtin("roles"), {}) == {"Name": "one", "Age": "0s"}

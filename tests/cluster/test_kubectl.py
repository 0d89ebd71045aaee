"""The commands a user types."""

import json

import pytest
from tests.support.cluster import MERGE, Cluster
from tests.support.wait import wait_for


def manifest(cluster: Cluster, namespace: str, name: str = "one", **spec) -> str:
    return json.dumps(
        {
            "apiVersion": f"{cluster.widget_group}/v1",
            "kind": "Widget",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"size": 2, **spec},
        }
    )


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


@pytest.fixture
def applied(cluster: Cluster, namespace: str) -> str:
    """A namespace with one applied widget."""
    done = cluster.kubectl("apply", "-f", "-", stdin=manifest(cluster, namespace))
    assert done.stdout == f"widget.{cluster.widget_group}/one created\n"
    return namespace


def test_apply_again_and_change(cluster: Cluster, applied: str) -> None:
    again = cluster.kubectl("apply", "-f", "-", stdin=manifest(cluster, applied))
    assert again.stdout.endswith("unchanged\n")
    changed = cluster.kubectl("apply", "-f", "-", stdin=manifest(cluster, applied, size=4, note="n"))
    assert changed.stdout.endswith("configured\n")
    body = cluster.expect(200, "GET", cluster.widgets(applied, "one")).body
    assert body["spec"] == {"size": 4, "color": "red", "note": "n"}


def test_apply_refuses_unknown_fields(cluster: Cluster, namespace: str) -> None:
    done = cluster.kubectl("apply", "-f", "-", stdin=manifest(cluster, namespace, zap=1), check=False)
    assert done.returncode == 1
    assert 'strict decoding error: unknown field "spec.zap"' in done.stderr
    done = cluster.kubectl("apply", "--validate=warn", "-f", "-", stdin=manifest(cluster, namespace, zap=1))
    assert 'Warning: unknown field "spec.zap"' in done.stderr


def test_apply_shows_what_is_invalid(cluster: Cluster, namespace: str) -> None:
    done = cluster.kubectl("apply", "-f", "-", stdin=manifest(cluster, namespace, size=0), check=False)
    assert done.returncode == 1
    assert 'The Widget "one" is invalid: spec.size: Invalid value: 0' in done.stderr


def test_get_by_every_name(cluster: Cluster, applied: str) -> None:
    for what in ("widgets", "widget", "wdg", "toys", f"widgets.{cluster.widget_group}"):
        seen = lines(cluster.kubectl("get", what, "-n", applied).stdout)
        assert seen[0] == ["NAME", "SIZE", "PHASE", "UP", "SINCE"]
        assert seen[1][-2:] == ["one", "2"] or seen[1][:2] == ["one", "2"]


def test_get_wide_yaml_and_jsonpath(cluster: Cluster, applied: str) -> None:
    cluster.expect(
        200, "PATCH", cluster.widgets(applied, "one") + "/status", {"status": {"phase": "Up"}}, content_type=MERGE
    )
    wide = lines(cluster.kubectl("get", "wdg", "-n", applied, "-o", "wide").stdout)
    assert wide[0] == ["NAME", "SIZE", "PHASE", "UP", "NOTE", "SINCE"]
    assert wide[1] == ["one", "2", "Up"]
    text = cluster.kubectl("get", "wdg", "one", "-n", applied, "-o", "yaml").stdout
    assert "phase: Up" in text
    assert "managedFields" not in text
    value = cluster.kubectl("get", "wdg", "one", "-n", applied, "-o", "jsonpath={.status.phase}").stdout
    assert value == "Up"


def test_get_nothing(cluster: Cluster, namespace: str) -> None:
    done = cluster.kubectl("get", "wdg", "-n", namespace)
    assert f"No resources found in {namespace} namespace." in done.stderr
    done = cluster.kubectl("get", "wdg", "none", "-n", namespace, check=False)
    assert f'Error from server (NotFound): widgets.{cluster.widget_group} "none" not found' in done.stderr


def test_get_watch(cluster: Cluster, applied: str) -> None:
    process = cluster.start_kubectl("get", "wdg", "-n", applied, "-w")
    assert process.stdout is not None
    try:
        assert process.stdout.readline().split()[0] == "NAME"
        assert process.stdout.readline().split() == ["one", "2"]
        status = {"status": {"phase": "Up"}}
        cluster.expect(200, "PATCH", cluster.widgets(applied, "one") + "/status", status, content_type=MERGE)
        assert process.stdout.readline().split() == ["one", "2", "Up"]
    finally:
        process.kill()
        process.wait()


def test_describe_shows_events(cluster: Cluster, applied: str) -> None:
    uid = cluster.expect(200, "GET", cluster.widgets(applied, "one")).body["metadata"]["uid"]
    about = {
        "apiVersion": f"{cluster.widget_group}/v1", "kind": "Widget", "namespace": applied, "name": "one", "uid": uid,
    }  # fmt: skip
    event = {
        "metadata": {"name": "e"}, "regarding": about, "reason": "Tested", "note": "a sentence", "type": "Normal",
        "action": "Test", "reportingController": "tests", "reportingInstance": "one",
        "eventTime": "2026-01-01T00:00:00.000000Z",
    }  # fmt: skip
    cluster.expect(201, "POST", f"/apis/events.k8s.io/v1/namespaces/{applied}/events", event)
    shown = cluster.kubectl("describe", "wdg", "one", "-n", applied).stdout
    assert "Size:   2" in shown
    assert "Tested" in shown
    assert "a sentence" in shown
    assert "a sentence" in cluster.kubectl("events", "-n", applied, "--for", "wdg/one").stdout


def test_explain(cluster: Cluster, applied: str) -> None:
    cluster.kubectl("get", "wdg", "-n", applied)
    shown = cluster.kubectl("explain", "wdg.spec.size").stdout
    assert "FIELD: size <integer>" in shown
    assert "How big it is." in shown


def test_patch_label_annotate(cluster: Cluster, applied: str) -> None:
    cluster.kubectl("patch", "wdg", "one", "-n", applied, "--type=merge", "-p", '{"spec":{"size":5}}')
    cluster.kubectl(
        "patch", "wdg", "one", "-n", applied, "--subresource=status", "--type=merge", "-p", '{"status":{"phase":"Up"}}'
    )
    cluster.kubectl(
        "patch", "wdg", "one", "-n", applied, "--type=json", "-p", '[{"op":"add","path":"/spec/note","value":"n"}]'
    )
    cluster.kubectl("label", "wdg", "one", "-n", applied, "tier=x")
    cluster.kubectl("annotate", "wdg", "one", "-n", applied, "why=because")
    body = cluster.expect(200, "GET", cluster.widgets(applied, "one")).body
    assert body["spec"] == {"size": 5, "color": "red", "note": "n"}
    assert body["status"] == {"phase": "Up"}
    assert body["metadata"]["labels"] == {"tier": "x"}
    assert body["metadata"]["annotations"]["why"] == "because"
    assert lines(cluster.kubectl("get", "wdg", "-n", applied, "-l", "tier=x", "-o", "name").stdout) == [
        [f"widget.{cluster.widget_group}/one"]
    ]


def test_server_side_apply(cluster: Cluster, namespace: str) -> None:
    done = cluster.kubectl("apply", "--server-side", "-f", "-", stdin=manifest(cluster, namespace))
    assert done.stdout.endswith("serverside-applied\n")
    cluster.kubectl("patch", "wdg", "one", "-n", namespace, "--type=merge", "-p", '{"spec":{"size":7}}')
    done = cluster.kubectl("apply", "--server-side", "-f", "-", stdin=manifest(cluster, namespace), check=False)
    assert done.returncode == 1
    assert "Apply failed with 1 conflict" in done.stderr
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifest(cluster, namespace))
    assert cluster.expect(200, "GET", cluster.widgets(namespace, "one")).body["spec"]["size"] == 2


def test_dry_run_on_the_server(cluster: Cluster, namespace: str) -> None:
    done = cluster.kubectl("apply", "--dry-run=server", "-o", "yaml", "-f", "-", stdin=manifest(cluster, namespace))
    assert "color: red" in done.stdout
    cluster.expect(404, "GET", cluster.widgets(namespace, "one"))


def test_wait_for_a_condition(cluster: Cluster, applied: str) -> None:
    process = cluster.start_kubectl("wait", "--for=condition=Up", "wdg/one", "-n", applied, "--timeout=20s")
    conditions = {"status": {"conditions": [{"type": "Up", "status": "True"}]}}
    cluster.expect(200, "PATCH", cluster.widgets(applied, "one") + "/status", conditions, content_type=MERGE)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "condition met" in output
    cluster.kubectl("wait", "--for=jsonpath={.spec.size}=2", "wdg/one", "-n", applied, "--timeout=10s")


def test_delete_waits(cluster: Cluster, applied: str) -> None:
    cluster.kubectl("label", "wdg", "one", "-n", applied, "a=b")
    done = cluster.kubectl("delete", "wdg", "one", "-n", applied, "--timeout=20s")
    assert done.stdout.startswith(f'widget.{cluster.widget_group} "one" deleted')
    cluster.expect(404, "GET", cluster.widgets(applied, "one"))
    assert cluster.kubectl("delete", "wdg", "one", "-n", applied, "--ignore-not-found").stdout == ""


def test_delete_takes_the_children(cluster: Cluster, applied: str) -> None:
    uid = cluster.expect(200, "GET", cluster.widgets(applied, "one")).body["metadata"]["uid"]
    reference = {"apiVersion": f"{cluster.widget_group}/v1", "kind": "Widget", "name": "one", "uid": uid}
    child = {"metadata": {"name": "child", "ownerReferences": [reference]}}
    cluster.expect(201, "POST", cluster.core(applied, "secrets"), child)
    cluster.kubectl("delete", "wdg", "one", "-n", applied, "--cascade=foreground", "--timeout=60s")
    wait_for(
        lambda: cluster.request("GET", cluster.core(applied, "secrets", "child")).status == 404, "the child to go", 60
    )


def test_create_commands(cluster: Cluster, namespace: str) -> None:
    n = ("-n", namespace)
    cluster.kubectl("create", "configmap", "c", "--from-literal=a=b", *n)
    cluster.kubectl("create", "secret", "generic", "s", "--from-literal=k=v", *n)
    cluster.kubectl("create", "serviceaccount", "bob", *n)
    cluster.kubectl("create", "role", "r", "--verb=get", "--resource=pods,pods/log", *n)
    cluster.kubectl("create", "rolebinding", "rb", "--role=r", f"--serviceaccount={namespace}:bob", *n)
    assert cluster.expect(200, "GET", cluster.core(namespace, "configmaps", "c")).body["data"] == {"a": "b"}
    assert cluster.expect(200, "GET", cluster.core(namespace, "secrets", "s")).body["data"] == {"k": "dg=="}
    token = cluster.kubectl("create", "token", "bob", *n).stdout.strip()
    assert cluster.kubectl("auth", "can-i", "get", "pods/log", *n, "--token", token).stdout == "yes\n"
    assert cluster.kubectl("auth", "can-i", "list", "secrets", *n, "--token", token, check=False).stdout == "no\n"

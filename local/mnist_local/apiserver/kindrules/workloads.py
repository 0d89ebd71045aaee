"""Jobs, Deployments and their kin: stored, defaulted and checked; no controller of this server runs them."""

from __future__ import annotations

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.kindrules.pods import default_pod_spec, validate_pod_spec
from mnist_local.apiserver.kinds import Hooks
from mnist_local.apiserver.schema import errors as field
from mnist_local.apiserver.schema.errors import FieldError


def _template(spec: Obj) -> Obj:
    template: Obj = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    default_pod_spec(template.setdefault("spec", {}))
    return template


def _default_job(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    _template(spec)
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = spec["parallelism"] = 1
    elif spec.get("parallelism") is None:
        spec["parallelism"] = 1
    spec.setdefault("backoffLimit", 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("podReplacementPolicy", "TerminatingOrFailed")
    spec.setdefault("manualSelector", False)


def _prepare_job(obj: Obj) -> None:
    obj["status"] = {}
    spec, metadata = obj["spec"], obj["metadata"]
    if spec.get("manualSelector"):
        return
    # The selector of a Job is made from its uid, so that no two Jobs select the same pods.
    labels = spec["template"]["metadata"].setdefault("labels", {})
    for prefix in ("batch.kubernetes.io/", ""):
        labels.setdefault(f"{prefix}controller-uid", metadata["uid"])
        labels.setdefault(f"{prefix}job-name", metadata["name"])
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": metadata["uid"]}}


def _validate_job(obj: Obj, old: Obj | None) -> list[FieldError]:
    spec = obj["spec"]
    pod = spec["template"]["spec"]
    causes = validate_pod_spec(pod, "spec.template.spec")
    if pod.get("restartPolicy") == "Always":
        allowed = ("OnFailure", "Never")
        causes.append(field.not_supported("spec.template.spec.restartPolicy", "Always", allowed))
    if old is not None:
        former = old["spec"]
        suspended = former.get("suspend") and not (old.get("status") or {}).get("startTime")
        names = ("completions", "selector", "completionMode", *(() if suspended else ("template",)))
        causes += [
            field.invalid(f"spec.{name}", spec.get(name), "field is immutable")
            for name in names
            if spec.get(name) != former.get(name)
        ]
    return causes


def _default_deployment(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    _template(spec)
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxSurge", "25%")
        rolling.setdefault("maxUnavailable", "25%")


def _default_replicated(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    _template(spec)
    spec.setdefault("replicas", 1)


def _empty_status(obj: Obj) -> None:
    obj["status"] = {}


def _validate_selector(obj: Obj, old: Obj | None) -> list[FieldError]:
    spec = obj["spec"]
    causes = validate_pod_spec(spec["template"]["spec"], "spec.template.spec")
    selector = spec.get("selector")
    if not selector:
        causes.append(field.required("spec.selector"))
    else:
        labels = spec["template"]["metadata"].get("labels") or {}
        if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
            causes.append(
                field.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
            )
    if old is not None and selector != old["spec"].get("selector"):
        causes.append(field.invalid("spec.selector", selector, "field is immutable"))
    return causes


HOOKS = {
    "jobs.batch": Hooks(
        default=_default_job, prepare_create=_prepare_job, validate=_validate_job, default_propagation="Orphan"
    ),
    "deployments.apps": Hooks(default=_default_deployment, prepare_create=_empty_status, validate=_validate_selector),
    **{
        f"{plural}.apps": Hooks(default=_default_replicated, prepare_create=_empty_status, validate=_validate_selector)
        for plural in ("replicasets", "statefulsets")
    },
}

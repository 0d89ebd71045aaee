"""All trainings: phases, queue, durations, failures, cost."""

from __future__ import annotations

from generators.panels import Panel, quantiles

_NAME = "{{training_namespace}}/{{training_name}}"
_BY_TRAINING = "sum by (training_namespace, training_name)"
_HELD = "What the running pods of a training requested, times the hours that they ran, used or not."


def _hours(resource: str) -> Panel:
    """Return what the most expensive trainings of a day took."""
    query = f"topk(20, {_BY_TRAINING} (increase(mnist_training_{resource}_seconds_total[24h]))) / 3600"
    title = f"{resource.upper()}-hours of trainings, last 24 hours"
    return Panel(title, ((query, _NAME),), "h", kind="bargauge", description=_HELD)


def _hours_of_namespaces(resource: str) -> Panel:
    """Return what namespaces took."""
    query = f"sum by (training_namespace) (increase(mnist_trainings_{resource}_seconds_total[24h])) / 3600"
    description = f"{_HELD} Those of trainings that are gone are in it."
    title = f"{resource.upper()}-hours of namespaces, last 24 hours"
    return Panel(title, ((query, "{{training_namespace}}"),), "h", kind="bargauge", description=description)


TRAININGS = (
    *(
        Panel(title, ((query, title),), kind="stat", width=4, height=4)
        for title, query in (
            ("Running", 'sum(mnist_trainings{phase="Running"})'),
            ("Waiting", 'sum(mnist_trainings{phase=~"Pending|Provisioning"})'),
            ("Suspended", 'sum(mnist_trainings{phase="Suspended"})'),
            ("Failed", 'sum(mnist_trainings{phase="Failed"})'),
            ("CPUs requested", "sum(mnist_trainings_cpus)"),
            ("GPUs requested", "sum(mnist_trainings_gpus)"),
        )
    ),
    Panel("Trainings by phase", (("sum by (phase) (mnist_trainings)", "{{phase}}"),), width=24, stacked=True),
    Panel(
        "Waiting for the first attempt, and for Ray",
        (
            *quantiles("mnist_trainings_stage_seconds_bucket", "1h", 'stage="waiting"', "first attempt "),
            *quantiles("mnist_trainings_stage_seconds_bucket", "1h", 'stage="cluster"', "cluster "),
            *quantiles("mnist_trainings_stage_seconds_bucket", "1h", 'stage="job"', "job "),
        ),
        "s",
        description="cluster: from an attempt to its ready RayCluster, with quota, nodes, images and pods in it.",
    ),
    Panel("Duration of trainings", quantiles("mnist_trainings_duration_seconds_bucket", "6h"), "s"),
    Panel(
        "Trainings that ended, by hour",
        (("sum by (phase) (increase(mnist_trainings_finished_total[1h]))", "{{phase}}"),),
    ),
    Panel(
        "Failed attempts by reason, by hour",
        (
            ("sum by (reason) (increase(mnist_trainings_failed_attempts_total[1h]))", "{{reason}}"),
            ("sum(increase(mnist_trainings_restarts_total[1h]))", "restarts by KubeRay"),
            ("sum(increase(mnist_trainings_lost_workers_total[1h]))", "workers lost"),
        ),
    ),
    Panel("Progress", (("mnist_training_progress_ratio", _NAME),), "percentunit", kind="bargauge"),
    Panel("Accuracy", (("mnist_training_accuracy", _NAME),), "percentunit", kind="bargauge"),
    _hours("cpu"),
    _hours("gpu"),
    _hours_of_namespaces("cpu"),
    _hours_of_namespaces("gpu"),
    Panel("CPUs requested", ((f"{_BY_TRAINING} (mnist_training_cpus)", _NAME),), stacked=True),
    Panel(
        "CPUs in use",
        (
            (
                "sum by (namespace, training) (ray_node_cpu_utilization * ray_node_cpu_count) / 100",
                "{{namespace}}/{{training}}",
            ),
        ),
        stacked=True,
    ),
)

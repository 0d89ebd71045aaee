"""The operator itself."""

from __future__ import annotations

from generators.panels import Panel, quantiles

OPERATOR = (
    Panel("Operators up", (("count(mnist_operator_leader)", "operators"),), kind="stat", width=4, height=4),
    Panel("Active", (("sum(mnist_operator_leader)", "active"),), kind="stat", width=4, height=4, description="One."),
    Panel("Trainings", (("sum(mnist_trainings)", "trainings"),), kind="stat", width=4, height=4),
    Panel("Waiting to be reconciled", (("sum(mnist_operator_queue_depth)", "keys"),), kind="stat", width=4, height=4),
    Panel(
        "Errors, last hour",
        (('sum(increase(mnist_operator_reconciles_total{outcome=~"error|api_error"}[1h]))', "errors"),),
        kind="stat",
        width=4,
        height=4,
        description="error: a bug, with a traceback in the log. api_error: the API server refused or was not reached.",
    ),
    Panel(
        "Trainings without their own metrics",
        (("sum(mnist_trainings_left_out)", "left out"),),
        kind="stat",
        width=4,
        height=4,
        description="More trainings are active or ended lately than MNIST_OPERATOR_METRICS_MAX_TRAININGS.",
    ),
    Panel("Reconciles", (("sum by (outcome) (rate(mnist_operator_reconciles_total[5m]))", "{{outcome}}"),), "ops"),
    Panel("Time of a reconcile", quantiles("mnist_operator_reconcile_seconds_bucket", "5m"), "s"),
    Panel("Queue", (("sum(mnist_operator_queue_depth)", "waiting"),)),
    Panel("Longest wait in the queue", (("max(mnist_operator_queue_oldest_seconds)", "seconds"),), "s"),
    Panel(
        "Requests to the API server",
        (("sum by (verb, code) (rate(mnist_operator_api_requests_total[5m]))", "{{verb}} {{code}}"),),
        "reqps",
        description="Code 0: the server could not be reached.",
    ),
    Panel("Time of a request", quantiles("mnist_operator_api_request_seconds_bucket", "5m"), "s"),
    Panel("Events of watches", (("sum by (kind) (rate(mnist_operator_watch_events_total[5m]))", "{{kind}}"),), "ops"),
    Panel(
        "CPU",
        (("rate(process_cpu_seconds_total[5m]) and on (instance) mnist_operator_build_info", "{{instance}}"),),
        description="1 is one core: all that one process can use.",
    ),
    Panel(
        "Memory",
        (("process_resident_memory_bytes and on (instance) mnist_operator_build_info", "{{instance}}"),),
        "bytes",
    ),
    Panel("Versions", (("count by (version) (mnist_operator_build_info)", "{{version}}"),)),
)

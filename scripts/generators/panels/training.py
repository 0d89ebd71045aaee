"""One training: curves, throughput, workers, the store, and its Ray nodes."""

from __future__ import annotations

from generators.panels import Panel, Variable

# The trainer and the operator name the training so; Ray's own metrics carry the labels of the pod.
_OF = '{training_namespace="$namespace", training_name="$training"}'
_PODS = '{namespace="$namespace", training="$training"}'


def _stat(title: str, query: str, unit: str = "short") -> Panel:
    return Panel(title, ((query, title),), unit, kind="stat", width=4, height=4)


TRAINING = (
    Panel("Phase", ((f"mnist_training_phase{_OF}", "{{phase}}"),), kind="stat", width=4, height=4),
    _stat("Progress", f"mnist_training_progress_ratio{_OF}", "percentunit"),
    _stat("Accuracy", f"mnist_training_accuracy{_OF}", "percentunit"),
    _stat("Workers", f"mnist_training_workers{_OF}"),
    _stat("Attempt", f"mnist_training_attempt{_OF}"),
    _stat("Restarts", f"mnist_training_restarts{_OF}"),
    Panel("Accuracy on the test images", ((f"ray_mnist_trainer_accuracy{_OF}", "accuracy"),), "percentunit"),
    Panel(
        "Loss",
        ((f"ray_mnist_trainer_loss{_OF}", "training"), (f"ray_mnist_trainer_test_loss{_OF}", "test")),
    ),
    Panel("Throughput", ((f"ray_mnist_trainer_images_per_second{_OF}", "images per second"),)),
    Panel(
        "Time of a step",
        (
            (f"ray_mnist_trainer_step_seconds{_OF}", "whole step"),
            (f"ray_mnist_trainer_data_wait_seconds{_OF}", "waiting for its batch"),
        ),
        "s",
    ),
    Panel(
        "Workers",
        (
            (f"ray_mnist_trainer_workers{_OF}", "training"),
            (f"increase(ray_mnist_trainer_worker_losses_total{_OF}[5m])", "losses"),
            (f"mnist_training_lost_workers{_OF}", "lost so far"),
        ),
        description="0 while lost ones are being replaced.",
    ),
    Panel(
        "Store and evaluation",
        (
            (f"ray_mnist_trainer_checkpoint_seconds{_OF}", "upload of a checkpoint"),
            (f"ray_mnist_trainer_evaluation_seconds{_OF}", "evaluation"),
        ),
        "s",
        description="The upload goes on beside the training; one that takes longer than an epoch holds it up.",
    ),
    _stat("Epochs", f"mnist_training_epoch{_OF}"),
    _stat("CPUs requested", f"mnist_training_cpus{_OF}"),
    _stat("GPUs requested", f"mnist_training_gpus{_OF}"),
    _stat("CPU-hours, last 24 hours", f"increase(mnist_training_cpu_seconds_total{_OF}[24h]) / 3600", "h"),
    _stat("GPU-hours, last 24 hours", f"increase(mnist_training_gpu_seconds_total{_OF}[24h]) / 3600", "h"),
    _stat("Ray nodes", f"count(ray_node_cpu_count{_PODS})"),
    Panel("CPU of each node", ((f"ray_node_cpu_utilization{_PODS}", "{{ray_node_type}} {{pod}}"),), "percent"),
    Panel("Memory of each node", ((f"ray_node_cgroup_mem_used{_PODS}", "{{ray_node_type}} {{pod}}"),), "bytes"),
    Panel("GPU of each node", ((f"ray_node_gpus_utilization{_PODS}", "{{pod}}"),), "percent"),
    Panel(
        "Object store",
        ((f"sum by (Location) (ray_object_store_memory{_PODS})", "{{Location}}"),),
        "bytes",
        stacked=True,
    ),
    Panel(
        "Network received",
        ((f"ray_node_network_receive_speed{_PODS}", "{{ray_node_type}} {{pod}}"),),
        "Bps",
        description="The dataset at the start, gradients while training.",
    ),
    Panel("Network sent", ((f"ray_node_network_send_speed{_PODS}", "{{ray_node_type}} {{pod}}"),), "Bps"),
)

OF_A_TRAINING = (
    Variable("namespace", "mnist_training_phase", "training_namespace"),
    Variable("training", 'mnist_training_phase{training_namespace="$namespace"}', "training_name"),
)

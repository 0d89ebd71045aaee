"""Settings of a local KubeRay."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from mnist_local.kuberay.kubelet.starts import default_count
from mnist_local.kuberay.rayjob_controller import Pace
from mnist_local.kuberay.rayjob_status import Limits


@dataclass(frozen=True)
class Settings:
    """Where it works, and its time limits."""

    kubeconfig: Path
    work_dir: Path
    pod_log_dir: Path
    namespaces: tuple[str, ...] = ()
    ray: Path = field(default_factory=lambda: Path(sys.executable).parent / "ray")
    """Ray's command."""
    limits: Limits = field(default_factory=Limits)
    pace: Pace = field(default_factory=Pace)
    starts_at_once: int = field(default_factory=default_count)
    """Ray nodes that start at a time on this machine."""

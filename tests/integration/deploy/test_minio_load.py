"""The Job that fills the MinIO for trying out: its own script, run as the container would, against a real S3 server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.manifests import of_kind, render_chart
from tests.support.s3 import start_s3

from mnist_trainer.data.sources import write_digits


def test_the_job_makes_the_buckets_and_loads_the_digits_as_often_as_it_runs(tmp_path: Path) -> None:
    container = of_kind(render_chart({"minio": {"enabled": True}}), "Job")[0]["spec"]["template"]["spec"]["containers"][
        0
    ]
    write_digits(tmp_path / "digits")
    script = container["args"][0].replace("/usr/share/mnist-training/digits", str(tmp_path / "digits"))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with start_s3(tmp_path) as store:
        given = {item["name"] for item in container["env"]}
        env = {"PATH": path, "HOME": str(tmp_path), **{k: v for k, v in store.env.items() if k in given}}
        env["AWS_ENDPOINT_URL"] = store.endpoint
        assert given <= set(env)
        for _ in range(2):
            done = subprocess.run(
                [*container["command"], script], env=env, capture_output=True, text=True, timeout=90, check=False
            )
            assert done.returncode == 0, done.stderr
            assert "ok: 1,437 training and 360 test images" in done.stdout
        assert sorted(path.name for path in store.root.iterdir()) == ["datasets", "models"]
        assert len(list((store.root / "datasets" / "digits").iterdir())) == 4

"""Generated files are what their generators make today."""

from __future__ import annotations

import subprocess
import sys

from tests.support.manifests import ROOT


def test_no_generated_file_is_stale() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr

"""Argo CD's ConfigMap with our health checks."""

from __future__ import annotations

from pathlib import Path

import yaml


class _Literal(str):
    """Text that YAML shows as a block."""


yaml.SafeDumper.add_representer(
    _Literal, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="|")
)


def config_map(root: Path) -> str:
    """Return the ConfigMap: one key for each script, named after the script's file (group_Kind)."""
    scripts = sorted((root / "deploy" / "argocd" / "health").glob("*.lua"))
    data = {
        f"resource.customizations.health.{path.stem}": _Literal(path.read_text(encoding="utf-8")) for path in scripts
    }
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "argocd-cm",
            "namespace": "argocd",
            "labels": {"app.kubernetes.io/name": "argocd-cm", "app.kubernetes.io/part-of": "argocd"},
        },
        "data": data,
    }
    return "# Generated from health/ by `make generate`. Do not edit.\n" + yaml.safe_dump(manifest, sort_keys=False)

"""The CustomResourceDefinition, generated from the models: the whole object, its columns, and the file in crds/.

`python -m mnist_operator.api.crd --write` puts it into crds/; `--check` fails when the file there is stale.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import ConfigDict, Field

from mnist_operator.api import names
from mnist_operator.api.fields import ApiModel, cel, validations
from mnist_operator.api.names import API_VERSION, DNS_1035_LABEL, KIND, MAX_NAME_LENGTH
from mnist_operator.api.schema import Defaults, structural_schema
from mnist_operator.api.spec import MnistTrainingSpec
from mnist_operator.api.status import MnistTrainingStatus

PRINTER_COLUMNS: tuple[dict[str, Any], ...] = (
    {"name": "Phase", "type": "string", "jsonPath": ".status.phase", "description": "Where the training stands."},
    {
        "name": "Progress",
        "type": "integer",
        "jsonPath": ".status.training.progressPercent",
        "description": "Share of the training done, in percent.",
    },
    {
        "name": "Accuracy",
        "type": "number",
        "jsonPath": ".status.training.accuracy",
        "description": "Share of test images recognised after the last epoch.",
    },
    {
        "name": "Workers",
        "type": "string",
        "jsonPath": ".status.rayCluster.workers",
        "description": "Ready and wanted workers.",
    },
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    {
        "name": "Cluster",
        "type": "string",
        "jsonPath": ".status.rayCluster.name",
        "priority": 1,
        "description": "The RayCluster of the current attempt.",
    },
    {
        "name": "Model",
        "type": "string",
        "jsonPath": ".status.result.model",
        "priority": 1,
        "description": "Where the trained model is.",
    },
    {
        "name": "Message",
        "type": "string",
        "jsonPath": ".status.message",
        "priority": 1,
        "description": "What a user should know.",
    },
)


class MnistTraining(ApiModel):
    """MnistTraining trains a digit classifier on Ray and leaves the evaluated, sealed model in an S3 bucket."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            cel(
                f"self.metadata.name.size() <= {MAX_NAME_LENGTH} && self.metadata.name.matches('^{DNS_1035_LABEL}$')",
                f"the name must have at most {MAX_NAME_LENGTH} characters, for its RayCluster and RayJob, and must be "
                "a DNS-1035 label: lower-case letters, digits and '-', beginning with a letter",
            ),
        )
    )

    api_version: Annotated[str, Field(max_length=64)] = API_VERSION
    kind: Annotated[str, Field(max_length=64)] = KIND
    metadata: dict[str, Any] = Field(default_factory=dict)
    spec: Annotated[MnistTrainingSpec, Field(description="What to train, on what, and where the result goes.")] = Field(
        default_factory=MnistTrainingSpec
    )
    status: Annotated[
        MnistTrainingStatus | None,
        Field(description="What is known about the training. Written by the operator and the trainer."),
    ] = None


# `kubectl scale mt NAME --replicas=N` sets the workers of the first group.
SCALE = {"specReplicasPath": ".spec.workers.replicas", "statusReplicasPath": ".status.training.workers"}
CRD_NAME = f"{names.PLURAL}.{names.GROUP}"
_REPOSITORY = Path(__file__).resolve().parents[3]
_HEADER = "# Generated from the models in operator/mnist_operator/api by `make generate`. Do not edit.\n"


def custom_resource_definition() -> dict[str, Any]:
    """Return the CRD as apiextensions.k8s.io/v1 wants it."""
    root = structural_schema(MnistTraining)
    schema = {
        "type": "object",
        "description": (MnistTraining.__doc__ or "").strip(),
        "required": ["spec"],
        "x-kubernetes-validations": root["x-kubernetes-validations"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural_schema(MnistTrainingSpec),
            "status": structural_schema(MnistTrainingStatus, defaults=Defaults.NONE),
        },
    }
    for part in ("spec", "status"):
        schema["properties"][part]["description"] = root["properties"][part]["description"]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": CRD_NAME, "labels": {"app.kubernetes.io/name": "mnist-operator"}},
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": names.KIND,
                "listKind": f"{names.KIND}List",
                "plural": names.PLURAL,
                "singular": names.SINGULAR,
                "shortNames": list(names.SHORT_NAMES),
                "categories": list(names.CATEGORIES),
            },
            "versions": [
                {
                    "name": names.VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}, "scale": SCALE},
                    "additionalPrinterColumns": [dict(column) for column in PRINTER_COLUMNS],
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def render() -> str:
    """Return the CRD as YAML text, stable from run to run."""
    return _HEADER + yaml.safe_dump(custom_resource_definition(), sort_keys=False, width=120)


def crd_text() -> str:
    """Return the CRD file that ships with this package (a checkout's crds/, or the copy inside the wheel)."""
    checkout = _REPOSITORY / "crds" / f"{CRD_NAME}.yaml"
    if checkout.is_file():
        return checkout.read_text(encoding="utf-8")
    return resources.files("mnist_operator").joinpath("crds", f"{CRD_NAME}.yaml").read_text(encoding="utf-8")


def main(argv: list[str] | None = None) -> int:
    """Write the CRD file, check it, or print it."""
    parser = argparse.ArgumentParser(prog="python -m mnist_operator.api.crd", description=__doc__)
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--write", action="store_true", help="write the file")
    action.add_argument("--check", action="store_true", help="exit 1 when the file is stale")
    parser.add_argument("--path", type=Path, default=_REPOSITORY / "crds" / f"{CRD_NAME}.yaml", help="the file")
    args = parser.parse_args(argv)
    wanted = render()
    if args.write:
        args.path.write_text(wanted, encoding="utf-8")
        return 0
    if not args.check:
        sys.stdout.write(wanted)
        return 0
    found = args.path.read_text(encoding="utf-8") if args.path.is_file() else ""
    if found == wanted:
        return 0
    diff = difflib.unified_diff(found.splitlines(), wanted.splitlines(), str(args.path), "generated", lineterm="", n=1)
    sys.stderr.write("\n".join(list(diff)[:40]) + f"\n{args.path} is stale: run `make generate`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())

"""Code of the user's own: a network for our recipe, or a command in its place."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from mnist_operator.api.fields import ApiModel, LocalObjectReference, S3Uri, cel, validations

MAX_WORDS = 64
_SHA256 = r"^[0-9a-f]{64}$"
_MODULE = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$"


class CodeArchive(ApiModel):
    """A zip file in the object store."""

    url: Annotated[
        S3Uri,
        Field(
            description="Address of the zip file, such as s3://models/code/train.zip. It is read with the credentials "
            "of spec.storage."
        ),
    ]
    sha256: Annotated[
        str, Field(max_length=64, pattern=_SHA256, description="Digest of the file. Any other file is refused.")
    ]


class CodeSpec(ApiModel):
    """Code of your own, and where it is: a ConfigMap, an archive, or (without either) the image."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            cel(
                "has(self.module) != has(self.command)",
                "code needs exactly one of module (a network for our recipe) and command (a script instead of it)",
            ),
            cel(
                "!has(self.configMap) || !has(self.archive)",
                "code comes from a configMap or from an archive, not from both",
                field=".archive",
            ),
        )
    )

    module: Annotated[
        str | None,
        Field(
            max_length=256,
            pattern=_MODULE,
            description="`package.file:build`: a function build(classes, channels, size) that returns a "
            "torch.nn.Module. Everything else is our recipe.",
        ),
    ] = None
    command: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=4096)]] | None,
        Field(
            min_length=1,
            max_length=MAX_WORDS,
            description="A command that is run on the Ray head in place of our trainer, in the folder of the code: "
            'for example ["python", "train.py", "--epochs", "5"].',
        ),
    ] = None
    config_map: Annotated[
        LocalObjectReference | None,
        Field(description="ConfigMap in the training's namespace whose keys are the files of the code."),
    ] = None
    archive: Annotated[CodeArchive | None, Field(description="A zip file in the object store.")] = None

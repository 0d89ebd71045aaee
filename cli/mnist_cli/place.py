"""The options that say where in which bucket, once for all commands."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from typing import TYPE_CHECKING, Any

from mnist_cli.options import Bucket, Dataset, Endpoint, Prefix
from mnist_trainer.errors import InvalidConfigError

if TYPE_CHECKING:
    from mnist_trainer.store import ObjectStore, S3Address


@dataclass(frozen=True)
class Place:
    """What ``--endpoint``, ``--bucket``, ``--prefix`` and ``--dataset`` say; the fields' types are the options."""

    endpoint: Endpoint = None
    bucket: Bucket = None
    prefix: Prefix = None
    dataset: Dataset = None

    @property
    def given(self) -> bool:
        """Whether it names a bucket."""
        return bool(self.bucket or self.prefix or self.dataset)

    @property
    def address(self) -> S3Address:
        """What `--dataset` names, or `--bucket` and perhaps `--prefix`. Raises InvalidConfigError."""
        from mnist_trainer.store import S3Address

        if self.dataset:
            if self.bucket or self.prefix:
                raise InvalidConfigError("give either --dataset or --bucket and --prefix, not both")
            return S3Address.parse(self.dataset)
        if not self.bucket:
            raise InvalidConfigError("which bucket? Give --bucket NAME [--prefix PATH] or --dataset s3://bucket/path")
        return S3Address.parse(f"s3://{self.bucket}/{(self.prefix or '').strip('/')}")

    def store(self) -> ObjectStore:
        """The store at `endpoint` (or AWS_ENDPOINT_URL), with the credentials of the environment."""
        from mnist_trainer.store import ObjectStore, StoreSettings

        return ObjectStore(StoreSettings.from_env(endpoint=self.endpoint))


def with_place(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameter `place: Place` comes from the four options."""
    signature = inspect.signature(command, eval_str=True)
    shared = list(inspect.signature(Place, eval_str=True).parameters.values())
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        parameters += shared if parameter.name == "place" else [parameter]
    names = [field.name for field in fields(Place)]

    @wraps(command)
    def run(**values: Any) -> None:
        command(place=Place(**{name: values.pop(name) for name in names}), **values)

    # Typer reads a command's options from these two.
    keywords = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    vars(run)["__signature__"] = signature.replace(parameters=keywords)
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run

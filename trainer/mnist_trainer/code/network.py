"""A network of the user's own: `package.file:build`, a function of classes, channels and size."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_trainer.code import words
from mnist_trainer.errors import CodeInvalidError, CodeNotFoundError

if TYPE_CHECKING:
    from torch import nn


def is_own(name: str) -> bool:
    """Whether the name of a network is that of a function of the user's, and not of one of ours."""
    return ":" in name


def add_to_path(folder: Path | None) -> None:
    """Let Python find modules in `folder`, before all others but those that are loaded."""
    if folder is not None and str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
        importlib.invalidate_caches()


def build_network(name: str, classes: int, channels: int, size: tuple[int, int]) -> nn.Module:
    """Call the function for images of `channels` and `size` (height, width); it returns logits ``[N, classes]``.

    Raises CodeNotFoundError or CodeInvalidError, with the last lines of what Python would print.
    """
    from torch import nn

    function = _function(name)
    try:
        network = function(classes, channels, size)
    except Exception as error:
        raise CodeInvalidError(f"{name}({classes}, {channels}, {size}) failed: {words.of_exception(error)}") from error
    if not isinstance(network, nn.Module):
        raise CodeInvalidError(f"{name} returned {_kind(network)}, and not a torch.nn.Module")
    return network


def _function(name: str) -> Any:
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            raise CodeNotFoundError(
                f"there is no module {module_name} for {name}: it is neither among the files of spec.code nor in the "
                "image"
            ) from error
        raise CodeInvalidError(f"{module_name} cannot be imported: {words.of_exception(error)}") from error
    except Exception as error:
        raise CodeInvalidError(f"{module_name} cannot be imported: {words.of_exception(error)}") from error
    except SystemExit as error:
        raise CodeInvalidError(f"{module_name} ends the process when it is imported") from error
    function = getattr(module, attribute, None)
    if function is None:
        raise CodeInvalidError(f"{module_name} has no function {attribute}, which {name} names")
    if not callable(function):
        raise CodeInvalidError(f"{name} is {_kind(function)}, and not a function")
    return function


def _kind(value: object) -> str:
    return "None" if value is None else f"an object of type {type(value).__name__}"

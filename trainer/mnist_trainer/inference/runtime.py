"""A released ``model.onnx``, computed by ONNX Runtime: for whoever has no PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mnist_trainer.errors import InvalidConfigError
from mnist_trainer.inference.answers import class_names_of, spec_of
from mnist_trainer.plan import ModelSpec


class RuntimeModel:
    """A model in memory.

    Args:
        data: the file's bytes.
        where: names the file in messages.

    Raises:
        InvalidConfigError: it is not a model that this trainer has released.
    """

    def __init__(self, data: bytes, where: str) -> None:
        import onnxruntime  # a tenth of a second, and 40 MB

        try:
            self._session: Any = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
            metadata: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
            self.spec: ModelSpec = spec_of(metadata)
            """The network's name and the images that it takes."""
            self.class_names: tuple[str, ...] = class_names_of(metadata)
            """One for each class, or none at all."""
        except Exception as error:  # the runtime has an exception type for each of its error codes
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InvalidConfigError(f"{where} is not a model that this trainer has released: {first}") from error

    def probabilities(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Of the classes, [N, classes], for images [N, C, H, W]."""
        result: npt.NDArray[np.float32] = self._session.run(["probabilities"], {"images": images})[0]
        return result

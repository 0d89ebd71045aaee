"""Structural schemas, as CustomResourceDefinitions carry them."""

from mnist_local.apiserver.schema.errors import FieldError, SchemaError
from mnist_local.apiserver.schema.structural import StructuralSchema

__all__ = ["FieldError", "SchemaError", "StructuralSchema"]

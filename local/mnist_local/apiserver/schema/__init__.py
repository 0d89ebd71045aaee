"""Schemas: what objects of a kind look like, for those that a CustomResourceDefinition describes and built-in ones."""

from mnist_local.apiserver.schema.builtin import BuiltinSchema, builtin_schema
from mnist_local.apiserver.schema.errors import FieldError, SchemaError
from mnist_local.apiserver.schema.structural import StructuralSchema

Schema = StructuralSchema | BuiltinSchema

__all__ = ["BuiltinSchema", "FieldError", "Schema", "SchemaError", "StructuralSchema", "builtin_schema"]

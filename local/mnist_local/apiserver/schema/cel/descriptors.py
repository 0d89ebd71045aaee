"""Protobuf messages that stand for objects while expressions are checked.

The CEL checker knows struct types as protobuf messages, so an object of a schema becomes a message with the same
fields. No message is ever made: rules run on plain maps.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, struct_pb2, timestamp_pb2

from mnist_local.apiserver.schema.cel.decl import Decl

_PACKAGE = "k8s"
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "int": _Field.TYPE_INT64,
    "double": _Field.TYPE_DOUBLE,
    "bool": _Field.TYPE_BOOL,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
}
_MESSAGES = {
    "timestamp": ".google.protobuf.Timestamp",
    "duration": ".google.protobuf.Duration",
    "dyn": ".google.protobuf.Value",
    "list": ".google.protobuf.ListValue",
    "map": ".google.protobuf.Struct",
}


def describe(root: Decl) -> descriptor_pool.DescriptorPool:
    """A pool with a message for every object in `root`; sets each `Decl.message`."""
    file = descriptor_pb2.FileDescriptorProto(name="schema.proto", package=_PACKAGE, syntax="proto2")
    pool = descriptor_pool.DescriptorPool()
    for module in (timestamp_pb2, duration_pb2, struct_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
        file.dependency.append(module.DESCRIPTOR.name)
    _Builder(file).visit(root)
    pool.AddSerializedFile(file.SerializeToString())
    return pool


class _Builder:
    def __init__(self, file: descriptor_pb2.FileDescriptorProto) -> None:
        self._file = file
        self._count = 0

    def visit(self, decl: Decl) -> None:
        if decl.element is not None:
            self.visit(decl.element)
        if decl.kind != "object" or decl.message:
            return
        self._count += 1
        name = f"Object{self._count}"
        decl.message = f"{_PACKAGE}.{name}"
        message = descriptor_pb2.DescriptorProto(name=name)
        for number, (field_name, field_decl) in enumerate(decl.fields.items(), start=1):
            self.visit(field_decl)
            self._add_field(message, number, field_name, field_decl)
        self._file.message_type.append(message)

    def _add_field(self, message: descriptor_pb2.DescriptorProto, number: int, name: str, decl: Decl) -> None:
        taken = [nested.name for nested in message.nested_type]
        if decl.kind == "list" and decl.element is not None:
            field = message.field.add(name=name, number=number, label=_Field.LABEL_REPEATED)
            self._set_type(field, decl.element)
        elif decl.kind == "map" and decl.element is not None and self._entry_name(name) not in taken:
            entry = message.nested_type.add(name=self._entry_name(name))
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, label=_Field.LABEL_OPTIONAL, type=_Field.TYPE_STRING)
            self._set_type(entry.field.add(name="value", number=2, label=_Field.LABEL_OPTIONAL), decl.element)
            message.field.add(
                name=name,
                number=number,
                label=_Field.LABEL_REPEATED,
                type=_Field.TYPE_MESSAGE,
                type_name=f".{_PACKAGE}.{message.name}.{entry.name}",
            )
        else:
            self._set_type(message.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL), decl)

    @staticmethod
    def _entry_name(field_name: str) -> str:
        """What protobuf demands a map's entry to be called."""
        return "".join(part[:1].upper() + part[1:] for part in field_name.split("_")) + "Entry"

    @staticmethod
    def _set_type(field: descriptor_pb2.FieldDescriptorProto, decl: Decl) -> None:
        scalar = _SCALARS.get(decl.kind)
        if scalar is not None:
            field.type = scalar
        else:
            field.type = _Field.TYPE_MESSAGE
            field.type_name = f".{decl.message}" if decl.kind == "object" else _MESSAGES[decl.kind]

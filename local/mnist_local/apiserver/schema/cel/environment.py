"""The two CEL environments: one checks types, one runs.

The checker knows the types of a schema and Kubernetes' opaque types. Expressions run unchecked, on plain maps: the same
runtime environment then serves every expression, and comparisons across numeric types work as in Kubernetes.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from cel_expr_python import cel
from cel_expr_python.ext import ext_bindings
from google.protobuf import descriptor_pool, duration_pb2, timestamp_pb2

from mnist_local.apiserver.schema.cel import lib_lists, lib_net, lib_quantity, lib_text
from mnist_local.apiserver.schema.cel.decl import Decl
from mnist_local.apiserver.schema.cel.functions import OPAQUE, Function

_FUNCTIONS: Final[tuple[Function, ...]] = (
    *lib_lists.FUNCTIONS,
    *lib_quantity.FUNCTIONS,
    *lib_net.FUNCTIONS,
    *lib_text.FUNCTIONS,
)
_LIBRARIES: Final = """\
extensions:
  - name: optional
  - name: sets
  - name: lists
  - name: two-var-comprehensions
  - name: strings
    version: 2
"""
_RELATIONS: Final = {"_<_": "less", "_<=_": "less_equals", "_>_": "greater", "_>=_": "greater_equals"}
_ORDERED: Final = ("bool", "int64", "uint64", "double", "string", "bytes", "timestamp", "duration")
_NUMERIC: Final = ("int64", "uint64", "double")
_T: Final = cel.Type
_SIMPLE: Final = {
    "bool": _T.BOOL,
    "int": _T.INT,
    "int64": _T.INT,
    "uint": _T.UINT,
    "uint64": _T.UINT,
    "double": _T.DOUBLE,
    "string": _T.STRING,
    "bytes": _T.BYTES,
    "timestamp": _T.TIMESTAMP,
    "duration": _T.DURATION,
    "dyn": _T.DYN,
}


def _checked_type(name: str) -> Any:
    if name in OPAQUE:
        return _T.AbstractType(OPAQUE[name])
    if name.startswith("list<"):
        return _T.List(_checked_type(name[5:-1]))
    if name.startswith("map<"):
        key, _, value = name[4:-1].partition(",")
        return _T.Map(_checked_type(key), _checked_type(value))
    return _SIMPLE[name]


def _run_type(name: str) -> Any:
    if name in OPAQUE or name.startswith("map<"):
        return _T.MAP
    return _T.LIST if name.startswith("list<") else _SIMPLE[name]


def type_of(decl: Decl | None) -> Any:
    """The checker's type of a declaration; of None, dyn."""
    if decl is None:
        return _T.DYN
    if decl.kind == "object":
        return _T(decl.message)
    if decl.kind in ("list", "map"):
        element = type_of(decl.element)
        return _T.List(element) if decl.kind == "list" else _T.Map(_T.STRING, element)
    return _SIMPLE[decl.kind]


def _relations() -> list[Any]:
    """Order relations, also between different numeric types (which the runtime has, but not its checker)."""
    declared = []
    for operator, verb in _RELATIONS.items():
        overloads = [(f"{verb}_{name}", name, name) for name in _ORDERED]
        overloads += [(f"{verb}_{a}_{b}", a, b) for a in _NUMERIC for b in _NUMERIC if a != b]
        declared.append(
            cel.FunctionDecl(
                operator, [cel.Overload(id_, _T.BOOL, [_SIMPLE[a], _SIMPLE[b]], False) for id_, a, b in overloads]
            )
        )
    return declared


@cache
def _checked_declarations() -> list[Any]:
    by_name: dict[str, list[Any]] = {}
    for f in _FUNCTIONS:
        parameters = [_checked_type(p) for p in f.parameters]
        overload = cel.Overload(f.overload, _checked_type(f.result), parameters, f.member)
        by_name.setdefault(f.name, []).append(overload)
    return [cel.FunctionDecl(name, overloads) for name, overloads in by_name.items()] + _relations()


@cache
def _check_config() -> Any:
    excluded = "".join(f"    - name: {operator}\n" for operator in _RELATIONS)
    return cel.NewEnvConfigFromYaml(f"{_LIBRARIES}stdlib:\n  exclude_functions:\n{excluded}")


def checker(variables: Mapping[str, Any], pool: descriptor_pool.DescriptorPool | None = None) -> Any:
    """An environment that checks expressions over the given variables (name to type, see `type_of`)."""
    return cel.NewEnv(
        pool,
        config=_check_config(),
        variables=dict(variables),
        extensions=[ext_bindings.ExtBindings()],
        functions=list(_checked_declarations()),
    )


def _to_cel(value: Any) -> Any:
    if isinstance(value, timedelta):
        message = duration_pb2.Duration()
        message.FromTimedelta(value)
        return message
    if isinstance(value, datetime):
        stamp = timestamp_pb2.Timestamp()
        stamp.FromDatetime(value)
        return stamp
    return value


def _fits(parameters: Sequence[str], arguments: Sequence[Any]) -> bool:
    return all(
        p not in OPAQUE or (isinstance(a, dict) and OPAQUE[p] in a) for p, a in zip(parameters, arguments, strict=True)
    )


def _dispatch(functions: Sequence[Function]) -> Callable[..., Any]:
    """The overloads that only their opaque types tell apart, as one function."""

    def call(*arguments: Any) -> Any:
        for f in functions:
            if _fits(f.parameters, arguments):
                return _to_cel(f.implementation(*arguments))
        raise ValueError("no such overload")

    return call


@cache
def runtime() -> Any:
    """The environment in which every expression runs."""
    grouped: dict[tuple[str, tuple[str, ...], bool], list[Function]] = {}
    for f in _FUNCTIONS:
        kinds = tuple(str(_run_type(p).name()) for p in f.parameters)
        grouped.setdefault((f.name, kinds, f.member), []).append(f)
    by_name: dict[str, list[Any]] = {}
    for (name, _, member), functions in grouped.items():
        first = functions[0]
        result = _run_type(first.result) if len({f.result for f in functions}) == 1 else _T.DYN
        parameters = [_run_type(p) for p in first.parameters]
        overload = cel.Overload(first.overload, result, parameters, member, _dispatch(functions))
        by_name.setdefault(name, []).append(overload)
    return cel.NewEnv(
        config=cel.NewEnvConfigFromYaml(_LIBRARIES),
        extensions=[ext_bindings.ExtBindings()],
        functions=[cel.FunctionDecl(name, overloads) for name, overloads in by_name.items()],
    )

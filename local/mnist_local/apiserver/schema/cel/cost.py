"""Estimating what a rule may cost, before it is accepted. Source: cel-go's `checker/cost.go` as Kubernetes uses it."""

from dataclasses import dataclass
from typing import Final

from mnist_local.apiserver.schema.cel.ast import DYN, CheckedAst, Expr, Type
from mnist_local.apiserver.schema.cel.callcost import BY_NAME, BY_OVERLOAD
from mnist_local.apiserver.schema.cel.decl import Decl
from mnist_local.apiserver.schema.cel.estimate import INFINITE, ONE, UNKNOWN, ZERO, Call, Range, exactly

_LIST_COST: Final = exactly(10)
_MAP_COST: Final = exactly(30)
_STRUCT_COST: Final = exactly(40)
_ACCUMULATORS: Final = ("__result__", "@result")
_SCALARS: Final = ("bool", "double", "duration", "int", "timestamp", "uint")
_UNIT_EQUALITY: Final = ("kubernetes.Quantity", "kubernetes.Semver", "net.IP", "net.CIDR")
Path = tuple[str, ...]


def estimate_cost(ast: CheckedAst, self_decl: Decl) -> int:
    """The most an expression over `self` and `oldSelf` may cost."""
    return _Coster(ast, self_decl).cost(ast.expr).max


@dataclass(frozen=True, slots=True)
class _Entries:
    """Sizes of the entries of a list or map made in the expression."""

    kind: str
    key: Range
    value: Range

    def union(self, other: "_Entries") -> "_Entries":
        return _Entries(self.kind, self.key.union(other.key), self.value.union(other.value))


@dataclass(frozen=True, slots=True)
class _Local:
    path: Path
    size: Range | None
    entries: _Entries | None = None


class _Argument:
    def __init__(self, coster: "_Coster", expr: Expr | None, path: Path, type_: Type) -> None:
        self._coster, self._expr, self._path, self.type = coster, expr, path, type_
        self.expr = expr if expr is not None else Expr(0, "ident")

    def size(self) -> Range:
        if self._expr is not None:
            return self._coster.size_or_unknown(self._expr)
        return self._coster.size_at(self._path) or UNKNOWN

    def element(self) -> "_Argument | None":
        if not self.type.params:
            return None
        path = (*self._path, "@items") if self._path else ()
        return _Argument(self._coster, None, path, self.type.params[0])


class _Coster:
    def __init__(self, ast: CheckedAst, self_decl: Decl) -> None:
        self._ast = ast
        self._root = self_decl
        self._paths: dict[int, Path] = {}
        self._sizes: dict[int, Range] = {}
        self._entries: dict[int, _Entries] = {}
        self._locals: dict[str, list[_Local]] = {}

    def cost(self, expr: Expr) -> Range:
        handler = {
            "ident": self._ident,
            "select": self._select,
            "call": self._call,
            "list": self._list,
            "map": self._map,
            "comprehension": self._comprehension,
        }.get(expr.kind)
        return handler(expr) if handler is not None else ZERO

    def _type(self, expr: Expr) -> Type:
        return self._ast.types.get(expr.id, DYN)

    def _local(self, expr: Expr) -> _Local | None:
        stack = self._locals.get(expr.name) if expr.kind == "ident" else None
        return stack[-1] if stack else None

    def _path(self, expr: Expr) -> Path:
        local = self._local(expr)
        return local.path if local is not None else self._paths.get(expr.id, ())

    def size_at(self, path: Path) -> Range | None:
        """The size of a place in `self`; None for what is not in it.

        As in Kubernetes the first step is not looked at: every variable, also a type's name, is as large as `self`.
        """
        if not path:
            return None
        decl = self._root
        for name in path[1:]:
            if name == "@keys":
                return Range(0, 0) if decl.kind == "map" else None
            child = decl.element if name in ("@items", "@values") else decl.fields.get(name)
            if child is None:
                return None
            decl = child
        return Range(0, decl.max_elements)

    def _size(self, expr: Expr) -> Range | None:
        known = self._sizes.get(expr.id)
        if known is not None:
            return known
        known = _literal_size(expr)
        if known is not None:
            return known
        known = self.size_at(self._path(expr))
        if known is not None:
            self._sizes[expr.id] = known
            return known
        if _is_scalar(self._type(expr)):
            return ONE
        local = self._local(expr)
        return local.size if local is not None else None

    def size_or_unknown(self, expr: Expr) -> Range:
        return self._size(expr) or UNKNOWN

    def _entries_of(self, expr: Expr) -> _Entries | None:
        found = self._entries.get(expr.id)
        if found is not None:
            return found
        local = self._local(expr)
        return local.entries if local is not None else None

    def _ident(self, expr: Expr) -> Range:
        local = self._local(expr)
        self._paths[expr.id] = local.path if local is not None else (expr.name,)
        return ONE

    def _select(self, expr: Expr) -> Range:
        assert expr.target is not None
        total = self.cost(expr.target)
        if expr.test_only:
            return total
        if self._type(expr.target).kind in ("map", "struct", "param"):
            total += ONE
        self._paths[expr.id] = (*self._path(expr.target), expr.name)
        return total

    def _call(self, expr: Expr) -> Range:
        if expr.name == "dyn":
            return self._dyn(expr)
        costs = [self.cost(arg) for arg in expr.args]
        total = self.cost(expr.target) if expr.target is not None else ZERO
        best = Range(INFINITE, 0)
        size: Range | None = None
        overloads = self._ast.overloads.get(expr.id, [])
        for overload in overloads:
            call = self._overload(expr, overload, costs)
            best = best.union(call.cost)
            if call.size is not None:
                size = call.size if size is None else size.union(call.size)
            if overload in ("index_list", "index_map"):
                container = expr.args[0]
                entries = self._entries_of(container)
                size = entries.value if entries is not None else None
                self._paths[expr.id] = (*self._path(container), "@items" if overload == "index_list" else "@values")
            if size is None:
                size = self._size(expr)
        if size is not None:
            self._sizes[expr.id] = size
        return total + best if overloads else ZERO

    def _dyn(self, expr: Expr) -> Range:
        argument = expr.args[0]
        cost = self.cost(argument)
        self._copy_size(expr, argument)
        return ONE + cost

    def _copy_size(self, target: Expr, source: Expr) -> None:
        size, entries = self._size(source), self._entries_of(source)
        if size is not None:
            self._sizes[target.id] = size
        if entries is not None:
            self._entries[target.id] = entries

    def _overload(self, expr: Expr, overload: str, costs: list[Range]) -> Call:
        if overload in ("logical_and", "logical_or"):
            return Call(Range(costs[0].min, (costs[0] + costs[1]).max))
        if overload == "conditional":
            return self._conditional(expr, costs)
        arguments = [self._argument(arg) for arg in expr.args]
        target = self._argument(expr.target) if expr.target is not None else None
        call = None
        if expr.name == "_==_" and self._type(expr.args[0]).name in _UNIT_EQUALITY:
            call = Call(ONE)
        for table, key in ((BY_NAME, expr.name), (BY_OVERLOAD, overload)):
            if call is None and key in table:
                call = table[key](overload, target, arguments)
        call = call or Call(ONE)
        if overload in ("add_string", "add_bytes", "add_list"):
            self._join_entries(expr)
        return Call(sum(costs, start=call.cost), call.size)

    def _argument(self, expr: Expr) -> _Argument:
        path = self._path(expr)
        return _Argument(self, expr, () if path and path[0] in _ACCUMULATORS else path, self._type(expr))

    def _join_entries(self, expr: Expr) -> None:
        left, right = self._entries_of(expr.args[0]), self._entries_of(expr.args[1])
        if left is not None and right is not None:
            self._entries[expr.id] = left.union(right)

    def _conditional(self, expr: Expr, costs: list[Range]) -> Call:
        left, right = self._entries_of(expr.args[1]), self._entries_of(expr.args[2])
        if left is not None and right is not None:
            self._entries[expr.id] = left.union(right)
        size = self.size_or_unknown(expr.args[1]).union(self.size_or_unknown(expr.args[2]))
        return Call(costs[0] + costs[1].union(costs[2]), size)

    def _list(self, expr: Expr) -> Range:
        total, item = _LIST_COST, Range(INFINITE if expr.args else 0, 0)
        for arg in expr.args:
            total += self.cost(arg)
            item = item.union(self.size_or_unknown(arg))
        self._entries[expr.id] = _Entries("list", ONE, item)
        return total

    def _map(self, expr: Expr) -> Range:
        total = _STRUCT_COST if expr.name else _MAP_COST
        key = value = Range(INFINITE if expr.args else 0, 0)
        for index, arg in enumerate(expr.args):
            total += self.cost(arg)
            if index % 2 == 0:
                key = key.union(self.size_or_unknown(arg))
            else:
                value = value.union(self.size_or_unknown(arg))
        self._entries[expr.id] = _Entries("map", key, value)
        return total

    def _comprehension(self, expr: Expr) -> Range:
        iterated, init, condition, step, result = expr.args
        total = self.cost(iterated) + self.cost(init)
        self._push(expr.name, _Local(self._path(init), self._size(init), self._entries_of(init)))
        if iterated.kind == "list" and not iterated.args and condition.kind == "const" and condition.value is False:
            total += self.cost(result)  # cel.bind
            self._pop(expr.name)
            self._copy_size(expr, result)
            return total
        for position, name in enumerate(expr.variables):
            self._push(name, self._iteration(iterated, position, len(expr.variables)))
        loop = self.cost(condition) + self.cost(step)
        for name in expr.variables:
            self._pop(name)
        total += self.cost(result)
        self._pop(expr.name)
        count = self.size_or_unknown(iterated)
        if init.kind == "const":
            size = self._size(init)
            if size is not None:
                self._sizes[expr.id] = size
        elif init.kind in ("list", "map"):
            self._sizes[expr.id] = count
            entries = self._entries_of(step)
            if entries is not None:
                self._entries[expr.id] = entries
        return total + count * loop

    def _iteration(self, iterated: Expr, position: int, count: int) -> _Local:
        entries = self._entries_of(iterated)
        is_list = (entries.kind if entries is not None else self._type(iterated).kind) == "list"
        is_value = position == 1 or (count == 1 and is_list)
        step = ("@keys", "@values", "@indices", "@items")[2 * is_list + is_value]
        size = None if entries is None else entries.value if is_value else entries.key
        return _Local((*self._path(iterated), step), size)

    def _push(self, name: str, local: _Local) -> None:
        self._locals.setdefault(name, []).append(local)

    def _pop(self, name: str) -> None:
        self._locals[name].pop()


def _literal_size(expr: Expr) -> Range | None:
    if expr.kind == "const":
        return exactly(len(expr.value)) if isinstance(expr.value, str | bytes) else ONE
    if expr.kind == "list":
        return exactly(len(expr.args))
    return exactly(len(expr.args) // 2) if expr.kind == "map" and not expr.name else None


def _is_scalar(type_: Type) -> bool:
    if type_.kind == "opaque" and type_.name in ("optional_type", "optional"):
        return bool(type_.params) and _is_scalar(type_.params[0])
    return type_.kind in _SCALARS

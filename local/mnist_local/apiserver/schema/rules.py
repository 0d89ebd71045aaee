"""Compiling the validation rules (`x-kubernetes-validations`) of a schema, within the server's cost budget."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from mnist_local.apiserver.schema import errors
from mnist_local.apiserver.schema.cel.convert import Converter, converter
from mnist_local.apiserver.schema.cel.cost import estimate_cost
from mnist_local.apiserver.schema.cel.decl import MAX_REQUEST_SIZE, Decl, declare
from mnist_local.apiserver.schema.cel.descriptors import describe
from mnist_local.apiserver.schema.cel.environment import checker, type_of
from mnist_local.apiserver.schema.cel.program import CompileError, Program
from mnist_local.apiserver.schema.errors import FieldError
from mnist_local.apiserver.schema.fieldpath import normalize_field_path
from mnist_local.apiserver.schema.node import Node, Rule

COST_LIMIT: Final = 10_000_000
"""Of one rule, over all places where it applies."""
TOTAL_COST_LIMIT: Final = 100_000_000
"""Of all rules of a schema."""
_ADVICE: Final = (
    "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are "
    "declared)"
)


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule ready to run."""

    rule: Rule
    program: Program
    message: Program | None
    field_path: str
    uses_old_self: bool


@dataclass(frozen=True, slots=True)
class NodeRules:
    """The rules at one node, and whether there are any below it."""

    rules: tuple[CompiledRule, ...]
    convert: Converter | None
    below: bool


@dataclass(frozen=True, slots=True)
class _Place:
    path: str
    cardinality: int | None = 1
    """How often the place can occur; None when lists or maps above it have no bound."""
    uncorrelated: str = ""
    """The list above that hides which old value belongs to it, if any."""


class RuleCompiler:
    """Compiles every rule of a schema; `errors` collects what the server would refuse."""

    def __init__(self) -> None:
        self.errors: list[FieldError] = []
        self._costs: list[tuple[int, str]] = []

    def compile(self, root: Node, path: str) -> None:
        """Set `Node.cel` throughout the schema."""
        self._visit(root, _Place(path), is_root=True)
        total = sum(cost for cost, _ in self._costs)
        if total > TOTAL_COST_LIMIT:
            expensive = sorted((c for c in self._costs if c[0] >= TOTAL_COST_LIMIT // 100), key=lambda c: -c[0])[:4]
            detail = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
            self.errors += [errors.forbidden(rule_path, detail) for _, rule_path in expensive]
            what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
            self.errors.append(errors.forbidden(path, _over_budget(what, total, TOTAL_COST_LIMIT)))

    def _visit(self, node: Node, place: _Place, *, is_root: bool = False) -> bool:
        below = False
        for child, child_place in _children(node, place):
            below |= self._visit(child, child_place)
        if node.rules or below:
            compiled, convert = self._compile_node(node, place, is_root=is_root) if node.rules else ((), None)
            node.cel = NodeRules(tuple(compiled), convert, below)
        return bool(node.rules) or below

    def _compile_node(self, node: Node, place: _Place, *, is_root: bool) -> tuple[list[CompiledRule], Converter | None]:
        decl = declare(node, is_root=is_root or node.embedded)
        rules_path = f"{place.path}.x-kubernetes-validations"
        if decl is None:
            detail = "internal error: failed to construct type information for x-kubernetes-validations rules"
            self.errors.append(errors.internal(rules_path, detail))
            return [], None
        pool = describe(decl)
        self_type = type_of(decl)
        environment = checker({"self": self_type, "oldSelf": self_type}, pool)
        compiled = []
        for index, rule in enumerate(node.rules):
            found = self._compile_rule(rule, environment, decl, replace(place, path=f"{rules_path}[{index}]"), node)
            if found is not None:
                compiled.append(found)
        return compiled, converter(decl)

    def _compile_rule(self, rule: Rule, environment: Any, decl: Decl, place: _Place, node: Node) -> CompiledRule | None:
        names = ("oldSelf",) if rule.optional_old_self else ()
        try:
            program = Program.compile(rule.rule, environment, names)
        except CompileError as error:
            self._refuse(f"{place.path}.rule", rule, f"compilation failed: {error}")
            return None
        if program.result_type != "BOOL":
            self._refuse(f"{place.path}.rule", rule, "cel expression must evaluate to a bool")
            return None
        self._check_cost(program, decl, place, "rule")
        self._check_old_self(program, rule, place)
        message = self._compile_message(rule, environment, decl, place, names) if rule.message_expression else None
        field_path = normalize_field_path(rule.field_path, node) or "" if rule.field_path else ""
        return CompiledRule(rule, program, message, field_path, program.uses("oldSelf"))

    def _compile_message(
        self, rule: Rule, environment: Any, decl: Decl, place: _Place, names: tuple[str, ...]
    ) -> Program | None:
        path = f"{place.path}.messageExpression"
        try:
            program = Program.compile(rule.message_expression, environment, names)
        except CompileError as error:
            self._refuse(path, rule, f"messageExpression compilation failed: {error}")
            return None
        if program.result_type != "STRING":
            self._refuse(path, rule, "messageExpression must evaluate to a string")
            return None
        self._check_cost(program, decl, replace(place, cardinality=1), "messageExpression")
        return program

    def _refuse(self, path: str, rule: Rule, detail: str) -> None:
        self.errors.append(errors.invalid(path, _as_go(rule), detail))

    def _check_cost(self, program: Program, decl: Decl, place: _Place, what: str) -> None:
        cardinality = place.cardinality
        if cardinality is None:
            cardinality = MAX_REQUEST_SIZE // (decl.min_size + 1)
        cost = min(estimate_cost(program.ast, decl) * cardinality, 2**64 - 1)
        path = f"{place.path}.{what}"
        if cost > COST_LIMIT:
            self.errors.append(errors.forbidden(path, _over_budget(f"estimated {what} cost", cost, COST_LIMIT)))
        self._costs.append((cost, path))

    def _check_old_self(self, program: Program, rule: Rule, place: _Place) -> None:
        if not program.uses("oldSelf"):
            if rule.optional_old_self is not None:
                detail = "may not be set if oldSelf is not used in rule"
                self.errors.append(errors.invalid(f"{place.path}.optionalOldSelf", rule.optional_old_self, detail))
        elif place.uncorrelated:
            detail = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {place.uncorrelated}"
            self.errors.append(errors.invalid(f"{place.path}.rule", rule.rule, detail))


def _children(node: Node, place: _Place) -> Iterator[tuple[Node, _Place]]:
    for name, child in node.properties.items():
        yield child, replace(place, path=f"{place.path}.properties[{name}]")
    if node.additional is not None:
        cardinality = _times(place.cardinality, node.max_properties)
        yield node.additional, replace(place, path=f"{place.path}.additionalProperties", cardinality=cardinality)
    if node.items is not None:
        uncorrelated = place.uncorrelated or ("" if node.list_type == "map" else place.path)
        cardinality = _times(place.cardinality, node.max_items)
        yield node.items, _Place(f"{place.path}.items", cardinality, uncorrelated)


def _times(cardinality: int | None, bound: int | None) -> int | None:
    return None if cardinality is None or bound is None else cardinality * max(bound, 0)


def _over_budget(what: str, cost: int, limit: int) -> str:
    factor = cost / limit
    text = "more than 100x" if factor > 100 else f"{factor:f}x" if factor < 1.5 else f"{factor:.1f}x"
    return f"{what} exceeds budget by factor of {text} {_ADVICE}"


def _as_go(rule: Rule) -> dict[str, Any]:
    """The rule as the server prints it: its internal type has no JSON names."""
    return {
        "Rule": rule.rule,
        "Message": rule.message,
        "MessageExpression": rule.message_expression,
        "Reason": rule.reason or None,
        "FieldPath": rule.field_path,
        "OptionalOldSelf": rule.optional_old_self,
    }

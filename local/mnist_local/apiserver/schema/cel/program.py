"""Compiled CEL expressions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from mnist_local.apiserver.schema.cel.ast import CheckedAst, Expr, decode
from mnist_local.apiserver.schema.cel.environment import checker, runtime, type_of
from mnist_local.apiserver.schema.cel.literals import check_literals
from mnist_local.apiserver.schema.cel.messages import compile_error, runtime_error

ADMISSION_VARIABLES: Final = (
    "object", "oldObject", "request", "params", "namespaceObject", "variables", "authorizer",
)  # fmt: skip
"""What a ValidatingAdmissionPolicy's expressions see; all dynamically typed here."""

# The runtime's Python binding can neither declare nor pass optional values, so such a variable is bound to one inside
# the expression. The expression keeps lines of its own, for the positions in errors.
_CHECK_OPTIONAL: Final = "cel.bind({0}, optional.of({1}),\n{2}\n)"
_RUN_OPTIONAL: Final = "cel.bind({0}, size({1}) > 0 ? optional.of({1}[0]) : optional.none(),\n{2}\n)"
_LINE: Final = re.compile(r"(?<=<input>:)(\d+)(?=:)")


class CompileError(ValueError):
    """An expression that does not compile; the text is what the API server shows."""


class CelError(ValueError):
    """An expression that failed while it ran, in cel-go's words ("no such key: x")."""


@dataclass(frozen=True, slots=True)
class Program:
    """An expression ready to run.

    `result_type` is CEL's name of the checked type ("BOOL", "STRING", "DYN", ...); `ast` is for cost estimation.
    """

    source: str
    result_type: str
    ast: CheckedAst
    optional: tuple[str, ...]
    _expression: Any

    @classmethod
    def compile(cls, expression: str, environment: Any = None, optional: tuple[str, ...] = ()) -> "Program":
        """Parse and check an expression.

        `environment` comes from `cel.environment.checker`; by default it has `ADMISSION_VARIABLES`. The variables
        in `optional` are optional values in the expression and may be None when the program runs; the environment
        declares them without that. Raises `CompileError`.
        """
        to_check = to_run = expression
        for name in optional:
            to_check = _CHECK_OPTIONAL.format(name, name, to_check)
            to_run = _RUN_OPTIONAL.format(name, _boxed(name), to_run)
        try:
            checked = (environment if environment is not None else _admission()).compile(to_check)
            run = runtime().compile(to_run, disable_check=True)
        except RuntimeError as error:
            text = compile_error(str(error))
            raise CompileError(_LINE.sub(lambda m: str(int(m[1]) - len(optional)), text)) from None
        ast = decode(checked.serialize())
        for _ in optional:
            ast.expr = ast.expr.args[-1]
            shift = to_check.index("\n") + 1
            to_check = to_check[shift:-2]
            ast.positions = {expr_id: position - shift for expr_id, position in ast.positions.items()}
            ast.names.clear()
            _collect_names(ast.expr, ast.names)
        problem = check_literals(ast, expression)
        if problem:
            raise CompileError(problem)
        return cls(expression, checked.return_type().name(), ast, optional, run)

    def uses(self, variable: str) -> bool:
        """Whether the expression refers to a variable."""
        return variable in self.ast.names

    def activation(self, variables: Mapping[str, Any]) -> Any:
        """Variables made ready for several programs with the same `optional`."""
        values = dict(variables)
        for name in self.optional:
            value = values.pop(name, None)
            values[_boxed(name)] = [] if value is None else [value]
        return runtime().Activation(values)

    def evaluate(self, variables: Mapping[str, Any] | Any) -> Any:
        """The value as plain Python; raises `CelError`. Takes variables by name, or an `activation`."""
        prepared = self.activation(variables) if isinstance(variables, Mapping) else variables
        try:
            result = self._expression.eval(prepared)
            if result.type().name() == "ERROR":
                raise CelError(runtime_error(str(result.value())))
            return result.plain_value()
        except RuntimeError as error:
            raise CelError(runtime_error(str(error))) from None
        except TypeError:
            raise CelError("the result has no JSON form") from None


def _collect_names(expr: Expr, names: set[str]) -> None:
    if expr.kind == "ident":
        names.add(expr.name)
    for sub in (expr.target, *expr.args):
        if sub is not None:
            _collect_names(sub, names)


def _boxed(name: str) -> str:
    return f"optional_{name}_"


@cache
def _admission() -> Any:
    return checker(dict.fromkeys(ADMISSION_VARIABLES, type_of(None)))

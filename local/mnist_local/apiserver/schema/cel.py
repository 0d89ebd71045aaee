"""Expressions of the Common Expression Language, on Google's C++ runtime.

Validation rules of CRDs and ValidatingAdmissionPolicies are written in it. Variables are untyped here: a wrong field
name is an error when the expression runs. A real API server finds it when the expression is stored, and also knows
Kubernetes' own functions (`quantity`, `url`, `ip` and the like).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from cel_expr_python import cel
from cel_expr_python.ext import ext_bindings

VARIABLES: Final = (
    "self", "oldSelf",  # of a CRD's rules
    "object", "oldObject", "request", "params", "namespaceObject", "variables", "authorizer",  # of policies
)  # fmt: skip
_LIBRARIES: Final = """\
extensions:
  - name: optional
  - name: sets
  - name: lists
  - name: two-var-comprehensions
  - name: strings
    version: 2
"""
_STATUS: Final = re.compile(r"\A[A-Z]+(?:_[A-Z]+)*: |\s*\[[A-Z_]+\]\s*\Z")
_SENTENCES: Final = (
    (re.compile(r'Key not found in map : "?(.*?)"?\Z', re.DOTALL), r"no such key: \1"),
    (re.compile(r"No matching overloads found.*", re.DOTALL), "no such overload"),
    (re.compile(r"divide by zero"), "division by zero"),
)
"""What users meet most, in the words of a real API server."""


class CompileError(ValueError):
    """An expression that does not compile."""


class CelError(ValueError):
    """An expression that failed while it ran ("no such key: x")."""


@cache
def _environment() -> Any:
    return cel.NewEnv(
        config=cel.NewEnvConfigFromYaml(_LIBRARIES),
        variables=dict.fromkeys(VARIABLES, cel.Type.DYN),
        extensions=[ext_bindings.ExtBindings()],
    )


def activation(variables: Mapping[str, Any]) -> Any:
    """Variables made ready for several programs."""
    return _environment().Activation(dict(variables))


@dataclass(frozen=True, slots=True)
class Program:
    """An expression ready to run; `result_type` is CEL's name of the checked type ("BOOL", "STRING", "DYN", ...)."""

    source: str
    result_type: str
    _expression: Any

    @classmethod
    def compile(cls, expression: str) -> "Program":
        """Parse and check an expression over `VARIABLES`.

        Raises:
            CompileError: the text says where and why.
        """
        try:
            compiled = _environment().compile(expression)
        except RuntimeError as error:
            raise CompileError(_STATUS.sub("", str(error)).rstrip()) from None
        return cls(expression, compiled.return_type().name(), compiled)

    def uses(self, variable: str) -> bool:
        return re.search(rf"\b{variable}\b", self.source) is not None

    def evaluate(self, variables: Mapping[str, Any] | Any) -> Any:
        """The value as plain Python, over variables by name or an `activation` of them.

        Raises:
            CelError: a key is missing, types do not fit, and the like.
        """
        try:
            result = self._expression.eval(activation(variables) if isinstance(variables, Mapping) else variables)
            if result.type().name() == "ERROR":
                raise CelError(_sentence(str(result.value())))
            return result.plain_value()
        except RuntimeError as error:
            raise CelError(_sentence(str(error))) from None
        except TypeError:
            raise CelError("the result has no JSON form") from None


def _sentence(text: str) -> str:
    text = _STATUS.sub("", text)
    for pattern, replacement in _SENTENCES:
        text, count = pattern.subn(replacement, text)
        if count:
            break
    return text

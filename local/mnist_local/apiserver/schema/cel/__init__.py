"""The Common Expression Language as Kubernetes has it, on Google's C++ runtime."""

from mnist_local.apiserver.schema.cel.program import ADMISSION_VARIABLES, CelError, CompileError, Program

__all__ = ["ADMISSION_VARIABLES", "CelError", "CompileError", "Program"]

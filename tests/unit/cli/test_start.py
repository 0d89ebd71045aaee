import subprocess
import sys
from typing import Any

import pytest
import typer

from mnist_cli import __main__

COMMANDS = ("check", "data", "logs", "report", "status", "submit", "suspend", "watch")
HEAVY = {"asyncio", "kopf", "kubernetes", "minio", "numpy", "pydantic", "ray", "rich", "sklearn", "torch", "urllib3"}


def test_the_start_imports_nothing_heavy() -> None:
    code = (
        "import sys, mnist_cli.__main__ as m; m.main(['--help']); "
        f"print(sorted({HEAVY} & set(sys.modules)), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stderr.strip() == "[]"
    assert "local" in ran.stdout


def test_the_start_imports_no_command_and_its_table_says_what_they_say() -> None:
    code = "import sys, mnist_cli.__main__ as m; m.main(['--help']); print(*sys.modules, file=sys.stderr)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    modules = {module for module, _ in __main__.COMMANDS.values()} - {"mnist_cli.__main__"}
    assert modules.isdisjoint(ran.stderr.split())
    root: Any = typer.main.get_command(__main__.app)
    for name, (_, text) in __main__.COMMANDS.items():
        assert f"  {name:<10}{text}\n" in ran.stdout
        assert root.commands[name].help.startswith(text.rstrip(".")), name


def test_the_commands_for_a_cluster_need_neither_ray_nor_torch() -> None:
    """They are installed by the extra `cli` alone; the Kubernetes client, slow to import, serves plugins only."""
    names = ("checks", "cluster", "follow", "storage_check", *COMMANDS)
    code = f"import sys, mnist_client.aio; {'; '.join(f'import mnist_cli.{name}' for name in names)}; "
    code += f"print(sorted({HEAVY - {'asyncio', 'urllib3'}} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "[]"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("mnistctl 0.")


@pytest.mark.parametrize("args", [["--nonsense"], ["nonsense"], ["data", "upload"], ["data", "list", "--output"]])
def test_usage_errors(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(args) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("mnistctl: ")
    assert "--help)" in captured.err

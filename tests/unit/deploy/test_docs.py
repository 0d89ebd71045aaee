"""What the guides say exists: links, paths, chart values, commands and options, reasons, metrics, build arguments."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import helm_python
import pytest
import typer
from tests.support.manifests import ROOT, render_chart
from tests.support.shell_blocks import shell_blocks, words_of

import mnist_operator
from mnist_cli.__main__ import app as mnistctl

DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), ROOT / "deploy" / "README.md", ROOT / "deploy" / "argocd" / "README.md"]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the commands of a page's shell blocks, and those in its running text, as words."""
    text = page.read_text()
    lines = [line for block in shell_blocks(page) for line in block.splitlines()]
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines += re.findall(r"`((?:kubectl|helm|mnistctl|docker) [^`]+)`", outside)
    for line in lines:
        yield from words_of(line)


def options(words: list[str], *names: str) -> list[str]:
    """Return the values of options, given as `--name value` or `--name=value`."""
    found = [words[index + 1] for index, word in enumerate(words[:-1]) if word in names]
    return found + [word.split("=", 1)[1] for word in words if word.split("=", 1)[0] in names and "=" in word]


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@each_page
def test_files_that_commands_name_exist(page: Path) -> None:
    for words in commands(page):
        if words[:1] == ["kubectl"] and {"apply", "kustomize"} & set(words):
            for path in options(words, "-k", "-f"):
                assert path == "-" or path.startswith("http") or (ROOT / path).exists(), words
        if words[:2] == ["docker", "build"]:
            dockerfile = ROOT / options(words, "-f")[0]
            declared = set(re.findall(r"^ARG (\w+)", dockerfile.read_text(), flags=re.MULTILINE))
            assert {item.split("=")[0] for item in options(words, "--build-arg")} <= declared, words
        if words[:1] == ["helm"] and {"install", "upgrade", "package"} & set(words):
            for word in words:
                if word.startswith(("charts/", "deploy/")):
                    assert (ROOT / word).exists(), words


@each_page
def test_values_that_commands_set_are_known_to_the_chart(page: Path) -> None:
    for words in commands(page):
        if words[:1] == ["helm"] and any("mnist-operator" in word for word in words if "." not in word):
            values: dict[str, Any] = {}
            for setting in options(words, "--set"):
                values = merged(values, helm_python.parse_set_string(setting))
            assert render_chart(values), words


def merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Merge nested values as Helm does."""
    result = dict(first)
    for key, value in second.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


@each_page
def test_mnistctl_has_the_commands_and_options(page: Path) -> None:
    root = typer.main.get_command(mnistctl)
    for words in commands(page):
        if words[:1] != ["mnistctl"]:
            continue
        command: Any = root
        rest = words[1:]
        while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
            assert rest[0] in command.commands, words
            command, rest = command.commands[rest[0]], rest[1:]
        known = {name for parameter in command.params for name in parameter.opts}
        assert {word.split("=")[0] for word in rest if word.startswith("-")} <= known, words


def test_reasons_of_the_troubleshooting_page_are_real() -> None:
    page = (DOCS / "troubleshooting.md").read_text()
    rows = [line.split("|")[2] for line in page.splitlines() if line.startswith(("| `", "| No"))]
    named = set(re.findall(r"`([A-Z]\w+)`", " ".join(rows)))
    package = Path(mnist_operator.__file__).parent
    source = "\n".join(path.read_text() for path in package.rglob("*.py"))
    contract = json.loads((ROOT / "contracts" / "trainer.json").read_text())
    known = set(re.findall(r'"([A-Z]\w+)"', source)) | set(contract["failureReasons"])
    assert len(named) > 20
    assert named <= known


def test_metrics_of_the_operations_page_are_real() -> None:
    from tests.unit.deploy.test_monitoring import exported_by_the_operator

    page = (DOCS / "operations" / "README.md").read_text()
    named = set(re.findall(r"`(mnist_[a-z_]+)", page))
    exported = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in exported_by_the_operator()}
    assert named <= exported
    assert named


def test_every_page_can_be_reached_from_the_first() -> None:
    seen: set[Path] = set()
    todo = [DOCS / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen or page.suffix != ".md" or not page.is_relative_to(DOCS):
            continue
        seen.add(page)
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        todo += [(page.parent / link).resolve() for link in links]
    assert set(DOCS.rglob("*.md")) == seen


def test_what_the_install_guide_loads_is_what_its_example_reads(render: Callable[..., list[Any]]) -> None:
    import yaml

    jobs = [item for item in render({"minio": {"enabled": True}}) if item["kind"] == "Job"]
    example = yaml.safe_load((ROOT / "examples" / "quickstart.yaml").read_text())["spec"]["storage"]
    script = jobs[0]["spec"]["template"]["spec"]["containers"][0]["args"][0]
    assert f"--dataset {example['dataset']}" in script
    assert f" {example['output'].removeprefix('s3://')} " in script


def test_the_guide_to_own_code_names_every_variable_and_reason_of_the_contract() -> None:
    contract = json.loads((ROOT / "contracts" / "trainer.json").read_text())
    guide = (ROOT / "docs" / "guides" / "own-code.md").read_text()
    assert [name for name in contract["code"]["environment"] if f"`{name}`" not in guide] == []
    reasons = ("CodeNotFound", "CodeInvalid", "UserCodeFailed", "NoOutput")
    assert [name for name in reasons if name not in contract["failureReasons"] or f"`{name}`" not in guide] == []

"""The Dockerfiles, as far as they can be checked without building: what they copy, install and run as."""

from __future__ import annotations

import fnmatch
import re
import tomllib

import pytest
from tests.support.manifests import ROOT, of_kind, render_chart

from mnist_local.kuberay.kubelet import launch
from mnist_operator.api.spec import RaySpec, parse_spec
from mnist_operator.children.pods import IMAGE_ENV, head_template
from mnist_operator.children.training import Installation, Training

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
IMAGES = ("operator", "trainer", "portal")
each_image = pytest.mark.parametrize("image", IMAGES)


def dockerfile(image: str) -> str:
    """Return the text, continued lines joined."""
    return (ROOT / f"Dockerfile.{image}").read_text().replace("\\\n", " ")


@each_image
def test_what_is_copied_is_there_and_not_ignored(image: str) -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    sources = [
        word
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile(image), flags=re.MULTILINE)
        for word in line.split()[:-1]
    ]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, item) or item.startswith(f"{source}/") for item in allowed), source


@each_image
def test_the_right_extra_is_installed_and_nothing_unpinned(image: str) -> None:
    text = dockerfile(image)
    extras = ["client", "portal"] if image == "portal" else [image]  # the second is made of the first
    assert re.findall(r"\['optional-dependencies'\]\['(\w+)'\]", text) == extras
    for command in re.findall(r"-m pip .*? install ([^&\n]+)", text):
        assert "-c constraints.txt" in command or "--no-deps ." in command, command


@each_image
def test_every_dependency_of_the_image_is_in_the_constraints(image: str) -> None:
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().split()}
    for requirement in PROJECT["optional-dependencies"][image]:
        if requirement.startswith(PROJECT["name"]):
            continue
        name = re.split(r"[\[<>=~! ]", requirement)[0].lower()
        assert name in pinned, requirement


@each_image
def test_it_runs_as_a_number_that_is_not_root(image: str) -> None:
    uid, gid = re.findall(r"^USER (\d+):(\d+)$", dockerfile(image), flags=re.MULTILINE)[-1]
    if image in ("operator", "portal"):
        values = {"portal": {"enabled": True, "hosts": ["portal.example.org"]}}
        name = {"operator": "mnist-operator", "portal": "mnist-operator-portal"}[image]
        deployment = of_kind(render_chart(values), "Deployment", name)[0]
        pod = deployment["spec"]["template"]["spec"]["securityContext"]
    else:
        training = Training(name="t", namespace="n", uid="u", spec=parse_spec({}))
        pod = head_template(training, Installation())["spec"]["securityContext"]
    assert (int(uid), int(gid)) == (pod["runAsUser"], pod["runAsGroup"])


def test_the_operator_needs_no_ray_and_the_trainer_no_kopf() -> None:
    extras = PROJECT["optional-dependencies"]
    assert not [item for item in extras["operator"] if re.match(r"(ray|torch)\b", item)]
    assert not [item for item in extras["trainer"] if re.match(r"(kopf|kubernetes)\b", item)]


def test_one_version_of_ray_everywhere() -> None:
    version = RaySpec().version
    assert f"ray[default,train]=={version}" in PROJECT["optional-dependencies"]["trainer"]
    assert f"ray=={version}" in (ROOT / "constraints.txt").read_text().split()
    container = of_kind(render_chart(), "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "MNIST_OPERATOR_TRAINER_RAY_VERSION", "value": version} in container["env"]


def test_the_trainers_image_says_what_an_image_of_ones_own_and_a_local_pod_are_given() -> None:
    stage = dockerfile("trainer").rpartition("\nFROM ")[2]
    said = dict(word.split("=", 1) for line in re.findall(r"^ENV (.+)$", stage, re.MULTILINE) for word in line.split())
    for given in (IMAGE_ENV, launch.IMAGE_ENV):
        assert given.items() <= said.items()


def test_all_images_stand_on_one_base() -> None:
    bases = [re.findall(r"^ARG BASE_IMAGE=(.+)$", dockerfile(image), re.MULTILINE) for image in IMAGES]
    assert bases == [bases[0]] * len(IMAGES)
    assert len(bases[0]) == 1, "what .ci/run reads"


def test_one_version_of_us_everywhere() -> None:
    version = PROJECT["version"]
    for image in IMAGES:
        assert f"ARG VERSION={version}" in dockerfile(image)
    labels = of_kind(render_chart(), "Deployment")[0]["metadata"]["labels"]
    assert labels["app.kubernetes.io/version"] == version
    assert labels["helm.sh/chart"] == f"mnist-operator-{version}"

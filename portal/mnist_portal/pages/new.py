"""A new training: a form from the CRD's schema, checked by the API server as one types, and its YAML beside it."""

from __future__ import annotations

import secrets
from typing import Any

import yaml
from aiohttp import web

from mnist_kube.errors import ApiError
from mnist_kube.objects import Object
from mnist_kube.resources import TRAININGS
from mnist_portal import same
from mnist_portal.access import MANAGER
from mnist_portal.crd import spec_schema
from mnist_portal.examples import examples
from mnist_portal.forms import Filled, manifest_of, note, sections_of, values_of
from mnist_portal.manifest import applied, to_yaml
from mnist_portal.pages.base import Page, ProblemError, explained, see

routes = web.RouteTableDef()

_MOST_MANIFEST = 1 << 20
_SECTIONS = sections_of(spec_schema())


@routes.get("/new")
async def form(request: web.Request) -> web.StreamResponse:
    """The form: empty, from an example, or from another training."""
    page, filled = Page(request), Filled()
    if name := request.query.get("example"):
        if name not in examples():
            raise ProblemError(404, "There is no such example", f"{name[:80]!r} is none.", "Choose one on the page.")
        filled.values = values_of(examples()[name].body, _SECTIONS)
        filled.values["name"] = f"{filled.values['name']}-{secrets.token_hex(2)}"
    elif source := request.query.get("from"):
        namespace, _, name = source.partition("/")
        training = await page.access.training(namespace, name)
        filled.values = values_of(applied(training, spec_schema()), _SECTIONS)
        filled.values |= {"name": next_name(name), "namespace": namespace}
        filled.values.pop("spec.runPolicy.suspend", None)
    return await _shown(page, filled)


@routes.post("/new/file")
async def from_file(request: web.Request) -> web.StreamResponse:
    """The form, filled with what a file says."""
    page, data = Page(request), await request.post()
    given = data.get("file")
    text = given.file.read(_MOST_MANIFEST + 1) if isinstance(given, web.FileField) else str(given or "").encode()
    return await _shown(page, Filled(values_of(_read(text), _SECTIONS)))


@routes.post("/new/check")
async def check(request: web.Request) -> web.StreamResponse:
    """What the API server says of the form as it is now, and its YAML."""
    page, filled = Page(request), await _filled(request)
    obj = manifest_of(filled, _SECTIONS)
    if filled.is_right and obj["metadata"].get("name"):
        await _tried(page, obj, filled, dry_run=True)
    values = {**_preview(obj, filled), "is_asked": bool(obj["metadata"].get("name"))}
    return page.render("parts/preview.html", **values)


@routes.post("/new")
async def create(request: web.Request) -> web.StreamResponse:
    """Create the training, or show the form again with what is wrong."""
    page, filled = Page(request), await _filled(request)
    obj = manifest_of(filled, _SECTIONS)
    if not obj["metadata"].get("name"):
        filled.wrong["name"] = "a training needs a name"
    made = await _tried(page, obj, filled, dry_run=False) if filled.is_right else None
    if made is None:
        return await _shown(page, filled, code=422)
    namespace, name = made["metadata"]["namespace"], made["metadata"]["name"]
    await page.access.look_into(namespace)
    (await page.access.training_feed(namespace)).observe(made)
    page.say("good", f"{name} was created. This page shows how it goes.")
    return see(f"/trainings/{namespace}/{name}")


def next_name(name: str) -> str:
    """Return the name of a retry: `mnist` is followed by `mnist-2`, that by `mnist-3`; never too long for the API."""
    base, _, number = name.rpartition("-")
    if base and number.isdigit() and len(number) < 4:
        following = f"-{int(number) + 1}"
    else:
        base, following = name, "-2"
    return f"{base[: 42 - len(following)].rstrip('-')}{following}"


async def _filled(request: web.Request) -> Filled:
    data = await request.post()
    return Filled({key: value for key, value in data.items() if isinstance(value, str) and key != "csrf"})


async def _tried(page: Page, obj: Object, filled: Filled, *, dry_run: bool) -> Object | None:
    """Create it, or ask what would come of that; what is refused is noted, and None returned."""
    namespace = obj["metadata"].get("namespace") or page.access.api.connection.namespace
    query = {"fieldManager": MANAGER, "fieldValidation": "Strict", **({"dryRun": "All"} if dry_run else {})}
    try:
        return await page.access.api.request("POST", TRAININGS.path(namespace), obj, query=query)
    except ApiError as error:
        if error.status == 401:
            raise
        problem = explained(error)
        message = error.message if error.status in {400, 409, 422} else f"{problem.title}: {error.message}"
        note(filled, list(error.details.get("causes") or []) if error.status == 422 else [], message, _SECTIONS)
        return None


async def _shown(page: Page, filled: Filled, code: int = 200) -> web.Response:
    scope = await page.access.scope()
    home = filled.values.get("namespace") or page.request.query.get("namespace") or ""
    namespace = home or (scope.names[0] if len(scope.names) == 1 else page.access.api.connection.namespace)
    filled.values.setdefault("namespace", namespace)
    if page.access.settings.namespaces and filled.values["namespace"] not in scope.names and scope.names:
        filled.values["namespace"] = scope.names[0]
    obj = manifest_of(filled, _SECTIONS)
    may = await page.access.may("create", TRAININGS, filled.values["namespace"] or None)
    values: dict[str, Any] = {
        "sections": _SECTIONS,
        "filled": filled,
        "names": scope.names,
        "examples": list(examples().values()),
        "why_not": "" if may else may.reason,
        "is_asked": False,
        **_preview(obj, filled),
    }
    return page.render("new.html", code=code, nav="new", **values)


def _preview(obj: Object, filled: Filled) -> dict[str, Any]:
    name = obj["metadata"].get("name") or "training"
    shown = {key: value for key, value in obj.items() if key != "spec" or value}
    return {"text": to_yaml(shown), "filled": filled, "same": same.creating(name)}


def _read(text: bytes) -> dict[str, Any]:
    """One MnistTraining of a file. Raises ProblemError."""
    todo = "Choose a file with one MnistTraining, such as those in examples/."
    if len(text) > _MOST_MANIFEST:
        raise ProblemError(413, "That is too large for a manifest", "A manifest has at most 1 MiB.", todo)
    try:
        documents = [one for one in yaml.safe_load_all(text) if one]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        said = f"{getattr(error, 'problem', None) or 'it cannot be read'}{where}"
        raise ProblemError(422, "That is not YAML", said, todo) from None
    found = [one for one in documents if isinstance(one, dict) and one.get("kind") == TRAININGS.kind]
    if len(found) != 1 or not isinstance(found[0].get("metadata") or {}, dict):
        said = f"The file holds {len(found)} of them, and {len(documents)} objects in all."
        raise ProblemError(422, "That is not one MnistTraining", said, todo)
    return found[0]

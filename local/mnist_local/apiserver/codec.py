"""Request bodies and content negotiation. JSON is the server's language; YAML and protobuf are read too."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson
import yaml

from mnist_local.apiserver import protobuf
from mnist_local.apiserver.bodies import json_error, unrecognized
from mnist_local.apiserver.errors import ApiError, Obj, bad_request, not_acceptable, unsupported_media_type

JSON = "application/json"
YAML = "application/yaml"
BODY_TYPES = (JSON, YAML, protobuf.CONTENT_TYPE)
_ANY = ("*/*", "application/*")


@dataclass(frozen=True, slots=True)
class MediaType:
    """One clause of an Accept header."""

    type: str
    params: dict[str, str]


class Form(Enum):
    """The forms an answer can take."""

    OBJECT = "object"
    TABLE = "Table"
    PARTIAL = "PartialObjectMetadata"
    YAML = "yaml"


def media_type(clause: str) -> MediaType:
    """Parse `type/subtype;key=value`."""
    head, *rest = (part.strip() for part in clause.split(";"))
    params = dict(part.split("=", 1) for part in rest if "=" in part)
    return MediaType(head.lower(), params)


def accepted(header: str) -> list[MediaType]:
    """Return the clauses of an Accept header, most wanted first."""
    clauses = [media_type(clause) for clause in header.split(",") if clause.strip()]
    return sorted(clauses, key=lambda clause: -_quality(clause))


def _quality(clause: MediaType) -> float:
    try:
        return float(clause.params.get("q", "1"))
    except ValueError:
        return 1.0


def form_of(header: str) -> Form:
    """Return the form that a client wants most of those that can be served.

    Raises:
        ApiError: 406, none can.
    """
    if not header or header in ("*/*", JSON):
        return Form.OBJECT
    for clause in accepted(header):
        form = _form(clause)
        if form is not None:
            return form
    raise not_acceptable()


def _form(clause: MediaType) -> Form | None:
    as_what = clause.params.get("as")
    if as_what is None:
        if clause.type in (JSON, *_ANY):
            return Form.OBJECT
        return Form.YAML if clause.type == YAML else None
    if clause.type not in (JSON, *_ANY) or clause.params.get("g") != "meta.k8s.io":
        return None
    version = clause.params.get("v")
    if as_what == "Table" and version in ("v1", "v1beta1"):
        return Form.TABLE
    if as_what in ("PartialObjectMetadata", "PartialObjectMetadataList") and version == "v1":
        return Form.PARTIAL
    return None


def decode(body: bytes, content_type: str, kind: str) -> Any:
    """Parse a request body that should hold an object of a kind.

    Raises:
        ApiError: 415, the type is none that is read; 400, the text does not parse.
    """
    media = content_type.split(";", 1)[0].strip().lower()
    if media in ("", JSON):
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            why = f"couldn't get version/kind; json parse error: {json_error(body)}"
            raise unrecognized(kind, why, body) from None
    if media in (YAML, "application/x-yaml", "text/yaml"):
        return decode_yaml(body)
    if media == protobuf.CONTENT_TYPE:
        try:
            return protobuf.decode(body)
        except ValueError as error:
            raise ApiError(415, "UnsupportedMediaType", str(error)) from None
    raise unsupported_media_type(BODY_TYPES)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML 1.1 without timestamps, which Kubernetes keeps as text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


def decode_yaml(body: bytes) -> Any:
    """Parse one YAML document.

    Raises:
        ApiError: 400.
    """
    try:
        return yaml.load(body, Loader=_Loader)  # noqa: S506 - a subclass of SafeLoader
    except yaml.YAMLError as error:
        raise bad_request(f"error decoding YAML: {error}") from None


def encode(obj: Obj) -> bytes:
    """Return an object as JSON."""
    return orjson.dumps(obj)


def encode_yaml(raw: bytes) -> bytes:
    """Return JSON bytes as YAML."""
    return yaml.safe_dump(orjson.loads(raw), sort_keys=True, allow_unicode=True).encode()

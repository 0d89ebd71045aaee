"""Request bodies and content negotiation. JSON is the server's language; YAML is read too, protobuf is not spoken."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import orjson
import yaml

from mnist_local.apiserver import protobuf
from mnist_local.apiserver.errors import Obj, bad_request, not_acceptable, unsupported_media_type

log = logging.getLogger(__name__)

JSON = "application/json"
YAML = "application/yaml"
BODY_TYPES = (JSON, YAML)


@dataclass(frozen=True, slots=True)
class MediaType:
    """One clause of an Accept header."""

    type: str
    params: dict[str, str]


def media_type(clause: str) -> MediaType:
    """Parse `type/subtype;key=value`."""
    head, *rest = (part.strip() for part in clause.split(";"))
    params = dict(part.split("=", 1) for part in rest if "=" in part)
    return MediaType(head.lower(), params)


def accepted(header: str) -> list[MediaType]:
    """Return the clauses of an Accept header, most wanted first."""
    clauses = [media_type(clause) for clause in header.split(",") if clause.strip()]
    return sorted(clauses, key=lambda clause: -float(clause.params.get("q", "1")))


def wants_table(header: str) -> bool:
    """Tell whether a Table is the first form asked for that can be served.

    Raises:
        ApiError: 406, nothing that is asked for can be served.
    """
    if not header or header in ("*/*", JSON):
        return False
    for clause in accepted(header):
        as_what = clause.params.get("as")
        if clause.type == JSON:
            if as_what == "Table":
                if clause.params.get("v") in ("v1", "v1beta1") and clause.params.get("g") == "meta.k8s.io":
                    return True
            elif as_what is None:
                return False
        elif clause.type in ("*/*", "application/*") and as_what is None:
            return False
    raise not_acceptable()


def decode(body: bytes, content_type: str) -> Any:
    """Parse a request body.

    Raises:
        ApiError: 415, the type is neither JSON nor YAML; 400, the text does not parse.
    """
    kind = content_type.split(";", 1)[0].strip().lower()
    if kind in ("", JSON, "*/*"):
        return decode_json(body)
    if kind in (YAML, "text/yaml", "application/x-yaml", "text/plain"):
        return decode_yaml(body)
    if kind == protobuf.CONTENT_TYPE:
        try:
            return protobuf.decode(body)
        except ValueError as error:
            log.warning("a protobuf body was refused: %s", error)
    raise unsupported_media_type(BODY_TYPES)


def decode_json(body: bytes) -> Any:
    """Parse JSON, and YAML too, as the real server falls back to it.

    Raises:
        ApiError: 400.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"the body of the request is not valid JSON: {error}") from None


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
        raise bad_request(f"error converting YAML to JSON: {error}") from None


def encode(obj: Obj) -> bytes:
    """Return an object as JSON."""
    return orjson.dumps(obj)

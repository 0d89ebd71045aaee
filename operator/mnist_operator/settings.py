"""Settings, from the environment (`MNIST_OPERATOR_*`)."""

from __future__ import annotations

import socket
import uuid
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from mnist_operator.children.training import Installation
from mnist_operator.lifecycle.observed import Policy


class Settings(BaseSettings):
    """What an installation may choose. Each field is the variable MNIST_OPERATOR_<FIELD>."""

    model_config = SettingsConfigDict(env_prefix="MNIST_OPERATOR_", frozen=True)

    namespaces: Annotated[tuple[str, ...], NoDecode] = ()
    """Namespaces to serve, separated by commas; empty serves all of them."""
    trainer_image: str = Installation.trainer_image
    """Image of pods whose training names none."""
    trainer_ray_version: str = Installation.trainer_ray_version
    """Version of Ray inside that image."""
    workers: Annotated[int, Field(ge=1, le=256)] = 16
    """Trainings reconciled at a time."""
    resync_seconds: Annotated[float, Field(gt=0)] = 300.0
    """Seconds between full comparisons with the API server, against events missed and children changed by hand."""
    api_requests_per_second: Annotated[float, Field(ge=0)] = 0.0
    """Requests a second to the API server on average, watches not counted; 0 leaves it to the server to limit them."""
    field_validation: Literal["Ignore", "Warn", "Strict"] = "Ignore"
    """What the API server does about fields of the operator's writes that it does not know. Finding any takes a
    second decoding, and there are none: the tests run with Strict. A user's pod templates are always Strict."""
    api_burst: Annotated[int, Field(ge=1)] = 50
    """Requests that may go at once after a time of rest, where a rate is set."""
    metrics_max_trainings: Annotated[int, Field(ge=0, le=20_000)] = 500
    """Trainings that have metrics of their own at a time: those that run first, then the newest."""
    metrics_finished_seconds: Annotated[float, Field(ge=0)] = 3600.0
    """Seconds after its end until a training's own metrics go."""
    credentials_seconds: Annotated[float, Field(gt=0)] = 120.0
    """Seconds after which the Secret that a running training names is read again, so that a rotation reaches it."""
    silence_seconds: Annotated[float, Field(ge=1)] = 300.0
    """Seconds without a report after which a running trainer is called silent; after as many again, as lost."""
    node_address: str = Installation.node_address
    """Address of a node that people reach; it stands in the addresses of dashboards on node ports."""
    bind_address: str = "0.0.0.0"
    """Address of the health and metrics port."""
    health_port: Annotated[int, Field(ge=0, le=65535)] = 8081
    """Port of /healthz, /readyz and /metrics; 0 serves none of them."""
    lease_name: str = ""
    """Lease that makes one of several replicas active; empty runs without one."""
    lease_namespace: str = "default"
    """Namespace of that Lease: the operator's own."""
    identity: str = Field(default_factory=lambda: f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}")
    """What tells this replica from the others."""
    log_format: Literal["text", "json"] = "json"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("namespaces", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    def installation(self) -> Installation:
        """Return what `children` needs of these settings."""
        return Installation(
            trainer_image=self.trainer_image,
            trainer_ray_version=self.trainer_ray_version,
            node_address=self.node_address,
        )

    def policy(self) -> Policy:
        """Return what the lifecycle needs of these settings."""
        return Policy(credentials_refresh=self.credentials_seconds, silent_after=self.silence_seconds)

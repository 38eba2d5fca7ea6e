"""Settings: the only reader of the environment.

Every environment name of the specification is accepted; those that point at separate services are ignored with one log
line, since here one process is all of them.
"""

import importlib.util
import os
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, Self, cast

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

#: Names of the specification that point at services which are one process here.
IGNORED_NAMES = ("GPU_PROVISIONER_URL", "DATA_LIFECYCLE_URL")
MIN_JWT_SECRET_CHARS = 32
GATEWAY_PORT = 3000
#: Dagster's runs are processes of this machine.
LOCAL_RUNS = "local"

IpNetwork = IPv4Network | IPv6Network


class Settings(BaseSettings):
    """What an operator may set; defaults are what a first `shifty up` on one machine needs."""

    model_config = SettingsConfigDict(env_prefix="SHIFTY_", populate_by_name=True, extra="ignore")

    home: Path = Field(
        default=Path(".shifty"), description="State of this installation: database, keys, assets, secrets"
    )
    database_url: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("DATABASE_URL", "SHIFTY_DATABASE_URL")
    )
    app_password: SecretStr | None = Field(default=None, description="Password of shifty_app on an external database")
    postgres_major: int = Field(default=16, description="Embedded server: 16 or 18")
    bind: str = Field(default="127.0.0.1", description="Address the API listens on")
    base_port: int = Field(default=GATEWAY_PORT, ge=1024, le=65_000, description="Gateway port; services follow it")
    dagster_port: int = Field(default=3070, ge=1024, le=65_535)
    jwt_secret: SecretStr | None = Field(default=None, validation_alias=AliasChoices("JWT_SECRET", "SHIFTY_JWT_SECRET"))
    token_ttl_s: int = Field(default=24 * 3600, ge=60, description="How long a token is good")
    session_ttl_s: int = Field(
        default=30 * 24 * 3600, ge=60, description="How long a session may be refreshed before one signs in again"
    )
    open_registration: bool = Field(default=False, description="Let anybody register a tenant of their own")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("localhost", "127.0.0.1", "[::1]"), description="Host names the web servers answer to, comma-separated"
    )
    trusted_proxies: Annotated[tuple[IpNetwork, ...], NoDecode] = Field(
        default=(), description="Networks whose X-Forwarded-For is believed, comma-separated; nobody's by default"
    )
    public_url: str | None = Field(
        default=None, description="Where people reach the gateway, for links; default http://localhost and its port"
    )
    smtp_url: SecretStr | None = Field(
        default=None,
        description="Mail server: smtp://user:password@host:587 (STARTTLS), smtps://host:465, smtp+plain://localhost:25",
    )
    smtp_ca_file: Path | None = Field(default=None, description="Certificates to trust for it instead of the system's")
    mail_from: str | None = Field(default=None, description="Sender of our mails; needed with SHIFTY_SMTP_URL")
    outbound_allowed_networks: Annotated[tuple[IpNetwork, ...], NoDecode] = Field(
        default=(), description="Private networks that webhooks may be sent to, comma-separated; none by default"
    )
    outbound_allow_http: bool = Field(default=False, description="Let webhooks go to http:// beside https://")
    outbound_ca_file: Path | None = Field(
        default=None, description="Certificates to trust in receivers of webhooks instead of the system's"
    )
    store_url: str | None = Field(default=None, description="fsspec URL of the asset store; default SHIFTY_HOME/assets")
    run_launcher: str = Field(default=LOCAL_RUNS, description="Where Dagster's runs work; only `local` so far")
    metrics_token: SecretStr | None = Field(default=None, description="Bearer token of a metrics scraper")
    log_level: str = Field(default="INFO", validation_alias=AliasChoices("SHIFTY_LOG_LEVEL", "LOG_LEVEL"))

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @model_validator(mode="after")
    def _sender_with_server(self) -> Self:
        if self.smtp_url is not None and not self.mail_from:
            raise ValueError("SHIFTY_SMTP_URL needs SHIFTY_MAIL_FROM, the address our mails come from")
        return self

    @field_validator("allowed_hosts", "trusted_proxies", "outbound_allowed_networks", mode="before")
    @classmethod
    def _split(cls, hosts: object) -> object:
        return tuple(part.strip() for part in hosts.split(",") if part.strip()) if isinstance(hosts, str) else hosts

    @field_validator("jwt_secret")
    @classmethod
    def _strong(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is None:
            return None
        value = secret.get_secret_value()
        if len(value) < MIN_JWT_SECRET_CHARS or "dev-secret" in value:
            raise ValueError(
                f"JWT_SECRET must have at least {MIN_JWT_SECRET_CHARS} characters and not be a 'dev-secret'; "
                "leave it unset to have one generated in SHIFTY_HOME/secrets"
            )
        return secret

    @field_validator("postgres_major")
    @classmethod
    def _known_major(cls, major: int) -> int:
        if major not in (16, 18):
            raise ValueError("the embedded PostgreSQL is 16 or 18")
        return major

    @property
    def embedded_major(self) -> Literal[16, 18]:
        """The embedded server's major version, as its module takes it."""
        return cast("Literal[16, 18]", self.postgres_major)


def ignored_environment() -> tuple[str, ...]:
    """Names that are set but have no effect here; the caller logs them once."""
    return tuple(name for name in IGNORED_NAMES if name in os.environ)


#: What a model process may know of our environment. A list of what goes in, so that no secret gets in by a new name.
MODEL_PROCESS_NAMES = (
    *("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"),
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS"),
)
#: What dbt may know of it beside its own connection.
DBT_PROCESS_NAMES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")


def model_process_environment() -> dict[str, str]:
    """The environment of trainers and predictors: no credential, no address of the database, nothing of ours."""
    kept = _kept(MODEL_PROCESS_NAMES)
    spec = importlib.util.find_spec("shifty_trainer")
    if spec is None or spec.origin is None:
        raise RuntimeError("shifty_trainer is not installed beside shifty_pipelines; run `make install`")
    return {**kept, "PYTHONPATH": str(Path(spec.origin).parents[1]), "PYTHONUNBUFFERED": "1"}


def dbt_process_environment() -> dict[str, str]:
    """The environment of dbt, without its connection: who starts it adds that."""
    return _kept(DBT_PROCESS_NAMES)


def child_environment(*, without: tuple[str, ...] = ()) -> dict[str, str]:
    """The environment for a child process, without the given names."""
    return {name: value for name, value in os.environ.items() if name not in without}


def _kept(names: tuple[str, ...]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}

"""All settings, each with default, unit and description.

They come from environment variables (prefix SPOTLAB_); the command line passes overrides to `load`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from spotlab.errors import InvalidSetting


def _kept(days: float, about: str, least: float = 1e-9) -> Any:
    """A field of how long something is kept, in days."""
    unit: Any = {"unit": "d"}
    return Field(default=days, ge=least, le=36_525, description=about, json_schema_extra=unit)


class Settings(BaseSettings):
    """All settings. `description` is the sentence in the README; `unit` is the unit."""

    model_config = SettingsConfigDict(
        env_prefix="SPOTLAB_", frozen=True, extra="forbid", allow_inf_nan=False
    )

    home: Path = Field(
        default=Path(".spotlab"),
        description="Folder of all local state: SQLite file, embedded server, archive.",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="SQL database (`postgresql://…`); empty: a SQLite file in the home.",
    )
    database_pooling: Literal["session", "transaction"] = Field(
        default="session",
        description="transaction: PostgreSQL is behind a pooler in transaction mode, such as "
        "PgBouncer. SpotLab then prepares no statements, and sets time limits per transaction.",
    )
    redis_url: SecretStr | None = Field(
        default=None,
        description="Redis or Valkey server (`redis://…`); empty: an embedded server that SpotLab "
        "starts.",
    )
    models_dir: Path = Field(
        default=Path(__file__).resolve().parent.parent / "models",
        description="Folder of model artefacts.",
    )
    model_workers: int = Field(
        default=2,
        ge=1,
        le=16,
        description="Limit of processes for uploaded models that no administrator has graduated; "
        "each runs one model.",
        json_schema_extra={"unit": "count"},
    )
    model_memory_mb: int = Field(
        default=1024,
        ge=64,
        le=1_000_000,
        description="Memory limit of such a process, in addition to what its libraries use before "
        "they read the model.",
        json_schema_extra={"unit": "MB"},
    )
    model_wall_s: float = Field(
        default=30.0,
        gt=0,
        le=3_600,
        description="Time limit of such a process for opening its model, and for each request.",
        json_schema_extra={"unit": "s"},
    )
    aws: Literal["emulated", "account"] = Field(
        default="emulated",
        description="`emulated`: EC2 and STS on loopback; `account`: your accounts.",
    )
    accounts_file: Path | None = Field(
        default=None,
        description="JSON list of accounts: name, aws_account_id, role_arn, external_id, regions.",
    )
    market: Literal["auto", "public", "simulated", "account"] = Field(
        default="auto",
        description="Source of market data; `auto`: the public feeds if the network allows, "
        "otherwise the simulated market.",
    )
    advisor_url: str = Field(
        default="https://spot-bid-advisor.s3.amazonaws.com/spot-advisor-data.json",
        description="Address of the Spot Advisor feed.",
    )
    spot_prices_url: str = Field(
        default="https://website.spot.ec2.aws.a2z.com/spot.json",
        description="Address of the public spot price feed.",
    )
    on_demand_url: str = Field(
        default="https://b0.p.awsstatic.com/pricing/2.0/meteredUnitMaps/ec2/USD/current/"
        "ec2-ondemand-without-sec-sel/{location}/Linux/index.json",
        description="Address of the public on-demand price feed; {location} is the region's name.",
    )
    feed_timeout_s: float = Field(
        default=10.0,
        gt=0,
        le=3_600,
        description="Time limit for connecting to a feed, and for each wait for more data.",
        json_schema_extra={"unit": "s"},
    )
    feed_max_mb: float = Field(
        default=64.0,
        gt=0,
        le=10_000,
        description="Largest feed that is accepted.",
        json_schema_extra={"unit": "MB"},
    )
    collect_max_age_s: float = Field(
        default=600.0,
        ge=0,
        le=1e8,
        description="An evaluation first collects the market if it is older than this.",
        json_schema_extra={"unit": "s"},
    )
    event_queue: str = Field(
        default="spotlab-events",
        pattern=r"^([A-Za-z0-9_-]{1,75})?$",
        description="Name of the SQS queue of events in each region; empty: none is read.",
    )
    loss_same_pool: float = Field(
        default=0.92,
        ge=0,
        le=1,
        description="P(another instance is lost because one is lost), beyond its own risk, if both "
        "are on the same pool.",
    )
    loss_same_type: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="The same for instances of one type in different zones of a region.",
    )
    loss_same_zone: float = Field(
        default=0.07,
        ge=0,
        le=1,
        description="The same for instances of different types in one zone.",
    )
    loss_within_min: float = Field(
        default=30.0,
        gt=0,
        le=1_440,
        description="How soon after the first loss the others are lost.",
        json_schema_extra={"unit": "min"},
    )
    loss_source: str = Field(
        default="launch probes of V100 and K80 pools in 2022 and 2023, docs/results.md",
        max_length=200,
        description="Where these figures come from, shown beside what follows from them.",
    )
    dask_scheduler: str | None = Field(
        default=None,
        description="Dask scheduler (`tcp://…`) that runs sweeps, and evaluations of 500 or more "
        "instances; empty: processes on this machine.",
    )
    demo_seed: int = Field(
        default=7,
        ge=0,
        le=2**31 - 1,
        description="Seed of the emulated fleet and the simulated market.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="WARNING", description="Lowest level of log lines that are written to stderr."
    )
    auth: Literal["accounts", "oidc", "off"] = Field(
        default="accounts",
        description="Who may sign in: `accounts`: local users; `oidc`: users of an OpenID Connect "
        "provider; `off`: no sign-in: anyone who reaches the server, which then listens only on "
        "loopback, is its administrator.",
    )
    demo_visitors: bool = Field(
        default=False,
        description="Whether visitors who are not signed in may view the emulated accounts.",
    )
    public_url: str = Field(
        default="",
        description="Address that browsers use (`https://…`); cookies are then sent only over "
        "https. Empty: the server's own address.",
    )
    trusted_proxies: str = Field(
        default="",
        description="Addresses of proxies whose X-Forwarded-For is trusted, separated by commas.",
    )
    alert_networks: str = Field(
        default="",
        description="Networks that alert receivers may be in, in addition to the public internet, "
        "separated by commas (`10.20.0.0/16`).",
    )
    secret_key: SecretStr | None = Field(
        default=None,
        description="Key that signs sessions and encrypts stored secrets, at least 32 characters, "
        "the same on every replica; empty: generated once, in a file in the home.",
    )
    session_minutes: float = Field(
        default=15.0,
        gt=0,
        le=527_040,
        description="How long a session's token is valid before it is renewed.",
        json_schema_extra={"unit": "min"},
    )
    session_max_h: float = Field(
        default=12.0,
        gt=0,
        le=8_784,
        description="Longest duration of a session; an unused session ends after a quarter of it.",
        json_schema_extra={"unit": "h"},
    )
    oidc_metadata_url: str = Field(
        default="",
        description="The provider's discovery document (`…/.well-known/openid-configuration`).",
    )
    oidc_client_id: str = Field(default="", description="Client id registered with the provider.")
    oidc_client_secret: SecretStr | None = Field(default=None, description="Secret of that client.")
    oidc_role: Literal["", "viewer", "researcher", "operator"] = Field(
        default="",
        description="Role of users whom the provider authenticates and no administrator has added; "
        "empty: they are rejected.",
    )
    scheduler: Literal["on", "off"] = Field(
        default="on",
        description="Whether the app itself runs the scheduled jobs, in a thread; `off` if "
        "`spotlab worker` runs them.",
    )
    lease_ttl_s: float = Field(
        default=10.0,
        gt=0.5,
        le=3_600,
        description="A scheduler without a heartbeat for this long is no longer the leader.",
        json_schema_extra={"unit": "s"},
    )
    switching: Literal["off", "dry-run", "on"] = Field(
        default="off",
        description="Switches of instances: `off`: refused; `dry-run`: their calls are listed, not "
        "made; `on`: they change AWS, if account and instance are on too.",
    )
    launch_probes_a_day: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="Budget of launch probes per account and day; 0: none are made. A probe "
        "launches a spot instance and terminates it at once, which may cost up to a minute of its "
        "price.",
        json_schema_extra={"unit": "1/d"},
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        description="Bearer token required by /metrics; empty: an API token with the scope "
        "metrics:read.",
    )
    otlp_endpoint: str = Field(
        default="",
        description="OpenTelemetry collector that receives traces (`http://…:4318`); empty: none. "
        "Requires `spotlab[otel]`.",
    )
    log_lines: int = Field(
        default=20_000,
        ge=100,
        le=10_000_000,
        description="Log lines that the online store keeps for the Logs page.",
        json_schema_extra={"unit": "lines"},
    )
    model_text_mb: float = Field(
        default=32.0,
        gt=0,
        le=1_000,
        description="Largest text of a LightGBM model that is read.",
        json_schema_extra={"unit": "MB"},
    )
    model_trees: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="Limit of trees in a LightGBM model.",
        json_schema_extra={"unit": "trees"},
    )
    model_leaves_per_tree: int = Field(
        default=4096,
        ge=1,
        le=1_000_000,
        description="Limit of leaves in one tree.",
        json_schema_extra={"unit": "leaves"},
    )
    model_leaves: int = Field(
        default=250_000,
        ge=1,
        le=100_000_000,
        description="Limit of leaves in all trees of a model.",
        json_schema_extra={"unit": "leaves"},
    )
    model_depth: int = Field(
        default=100,
        ge=1,
        le=500,
        description="Limit of splits from a root to a leaf; the time of an explanation grows with "
        "its square.",
        json_schema_extra={"unit": "splits"},
    )
    api_reads_per_minute: int = Field(
        default=18_000,
        ge=1,
        le=10_000_000,
        description="Limit of API requests that change nothing, per user.",
        json_schema_extra={"unit": "1/min"},
    )
    api_writes_per_minute: int = Field(
        default=120,
        ge=1,
        le=10_000_000,
        description="Limit of API requests that change something, per user.",
        json_schema_extra={"unit": "1/min"},
    )
    keep_prices_days: float = _kept(
        180.0, "How long market snapshots are kept; the newest are always kept."
    )
    keep_experiments_days: float = _kept(
        365.0,
        "How long decisions and backtests are kept; each instance's newest decision is "
        "always kept.",
    )
    keep_health_days: float = _kept(
        30.0, "How long probes, job runs, sent alerts and ended sessions are kept."
    )
    keep_evidence_days: float = _kept(
        180.0, "How long the evidence archive is kept, at least 90 days.", least=90.0
    )

    @field_validator("alert_networks")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        for part in _parts(text):
            try:
                ip_network(part)
            except ValueError as exc:
                raise ValueError(f"{exc}; example: 10.20.0.0/16") from None
        return text

    @property
    def receiver_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks in `alert_networks`."""
        return tuple(ip_network(part) for part in _parts(self.alert_networks))

    @property
    def sqlite_path(self) -> Path:
        """The SQLite file that is used if no database_url is set."""
        return self.home / "spotlab.db"


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def load(**overrides: object) -> Settings:
    """Settings from the environment, with overrides.

    Raises:
        InvalidSetting: names the variable, and what is wrong with it.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        name = "_".join(str(part) for part in first["loc"])
        raise InvalidSetting(
            f"SPOTLAB_{name.upper()}: {first['msg'].removeprefix('Value error, ')}.",
            remedy="See the table of settings in the README.",
        ) from None


_NOT_SETTINGS: Final = re.compile(
    r"TOKEN|SERVED_AT|SHARED_DATA|TEST_.+"
    r"|(\w+_)?SERVICE_(HOST|PORT\w*)|(\w+_)?PORT(_\d+_\w+)?"
)
"""After SPOTLAB_: variables read elsewhere, and those that Kubernetes sets for services."""


def unknown_variables(names: Iterable[str]) -> list[str]:
    """A sentence for each variable that begins with SPOTLAB_ but is not a setting."""
    known = [name.upper() for name in Settings.model_fields]
    warnings = []
    for name in sorted(names):
        plain = name.upper().removeprefix("SPOTLAB_")
        if plain in (name.upper(), *known) or _NOT_SETTINGS.fullmatch(plain):
            continue
        similar = get_close_matches(plain, known, n=1)
        hint = (
            f"Did you mean SPOTLAB_{similar[0]}?" if similar else "The README lists the settings."
        )
        warnings.append(f"{name} is set, but is not a setting of SpotLab: it has no effect. {hint}")
    return warnings

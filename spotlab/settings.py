"""Settings as data: each with its default, unit and one sentence.

Environment variables only (prefix SPOTLAB_); the command line passes overrides to `load`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from spotlab.errors import InvalidSetting


class Settings(BaseSettings):
    """Every setting. `description` is the sentence the README shows; `unit` its unit."""

    model_config = SettingsConfigDict(
        env_prefix="SPOTLAB_", frozen=True, extra="forbid", allow_inf_nan=False
    )

    home: Path = Field(
        default=Path(".spotlab"),
        description="Folder of all state: SQLite file, embedded server, archive.",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="SQL database (`postgresql://…`); empty: a SQLite file in the home.",
    )
    redis_url: SecretStr | None = Field(
        default=None,
        description="Redis or Valkey server (`redis://…`); empty: one that SpotLab starts itself.",
    )
    models_dir: Path = Field(
        default=Path(__file__).resolve().parent.parent / "models",
        description="Folder of model artefacts.",
    )
    model_workers: int = Field(
        default=2,
        ge=1,
        le=16,
        description="Most processes at a time for uploaded models that no administrator has "
        "graduated; each answers for one model.",
        json_schema_extra={"unit": "count"},
    )
    model_memory_mb: int = Field(
        default=1024,
        ge=64,
        le=1_000_000,
        description="Memory of such a process, beyond what its libraries take before they read the "
        "model.",
        json_schema_extra={"unit": "MB"},
    )
    model_wall_s: float = Field(
        default=30.0,
        gt=0,
        le=3_600,
        description="Longest time that such a process may take to open its model, or to answer.",
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
        description="Where market data comes from; `auto`: public feeds where the network "
        "allows, else the simulated market.",
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
        description="Longest wait for a feed to connect or to send more.",
        json_schema_extra={"unit": "s"},
    )
    feed_max_mb: float = Field(
        default=64.0,
        gt=0,
        le=10_000,
        description="A larger feed is refused.",
        json_schema_extra={"unit": "MB"},
    )
    collect_max_age_s: float = Field(
        default=600.0,
        ge=0,
        le=1e8,
        description="An evaluation collects anew when the market is older.",
        json_schema_extra={"unit": "s"},
    )
    dask_scheduler: str | None = Field(
        default=None,
        description="Dask scheduler (`tcp://…`) that sweeps run on; empty: processes of this "
        "machine.",
    )
    demo_seed: int = Field(
        default=7,
        ge=0,
        le=2**31 - 1,
        description="Seed of the emulated fleet and the simulated market.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="WARNING", description="Least severe log line that is written to stderr."
    )
    auth: Literal["accounts", "oidc", "off"] = Field(
        default="accounts",
        description="Who may sign in: local accounts, or those of an OpenID Connect provider; "
        "`off`: whoever reaches the server, which then listens on loopback only, is its "
        "administrator.",
    )
    demo_visitors: bool = Field(
        default=False,
        description="Whether whoever is not signed in may look at the emulated accounts.",
    )
    public_url: str = Field(
        default="",
        description="Address that browsers use (`https://…`); cookies are then sent over https "
        "only. Empty: the server's own.",
    )
    trusted_proxies: str = Field(
        default="",
        description="Addresses, separated by commas, of proxies whose X-Forwarded-For is believed.",
    )
    alert_networks: str = Field(
        default="",
        description="Networks, separated by commas, that receivers of alerts may be in besides the "
        "public internet (`10.20.0.0/16`).",
    )
    secret_key: SecretStr | None = Field(
        default=None,
        description="Signs sessions and seals what is kept secret, 32 characters or more, the "
        "same on every replica; empty: made once, a file in the home.",
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
        description="How long a session lasts at most, and unused for a quarter of that.",
        json_schema_extra={"unit": "h"},
    )
    oidc_metadata_url: str = Field(
        default="",
        description="The provider's discovery document (`…/.well-known/openid-configuration`).",
    )
    oidc_client_id: str = Field(default="", description="The client that the provider knows.")
    oidc_client_secret: SecretStr | None = Field(default=None, description="That client's secret.")
    oidc_role: Literal["", "viewer", "researcher", "operator"] = Field(
        default="",
        description="Role of whoever the provider vouches for and no administrator has added; "
        "empty: none, they are refused.",
    )
    scheduler: Literal["on", "off"] = Field(
        default="on",
        description="Whether the app runs the scheduled jobs itself, in a thread; `off` where "
        "`spotlab worker` does.",
    )
    lease_ttl_s: float = Field(
        default=10.0,
        gt=0.5,
        le=3_600,
        description="A scheduler that gave no sign for this long is no longer the leader.",
        json_schema_extra={"unit": "s"},
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        description="Bearer token that /metrics asks for; empty: an API token with the scope "
        "metrics:read.",
    )
    otlp_endpoint: str = Field(
        default="",
        description="OpenTelemetry collector that traces are sent to (`http://…:4318`); empty: "
        "none. Needs `spotlab[otel]`.",
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
        description="Most trees of a LightGBM model.",
        json_schema_extra={"unit": "trees"},
    )
    model_leaves_per_tree: int = Field(
        default=4096,
        ge=1,
        le=1_000_000,
        description="Most leaves of one tree.",
        json_schema_extra={"unit": "leaves"},
    )
    model_leaves: int = Field(
        default=250_000,
        ge=1,
        le=100_000_000,
        description="Most leaves of all trees of a model.",
        json_schema_extra={"unit": "leaves"},
    )
    model_depth: int = Field(
        default=100,
        ge=1,
        le=500,
        description="Most splits from a root to a leaf; explaining takes time with its square.",
        json_schema_extra={"unit": "splits"},
    )
    api_reads_per_minute: int = Field(
        default=18_000,
        ge=1,
        le=10_000_000,
        description="API requests that change nothing, for each user.",
        json_schema_extra={"unit": "1/min"},
    )
    api_writes_per_minute: int = Field(
        default=120,
        ge=1,
        le=10_000_000,
        description="API requests that change something, for each user.",
        json_schema_extra={"unit": "1/min"},
    )
    keep_prices_days: float = Field(
        default=180.0,
        gt=0,
        le=36_525,
        description="How long collected market snapshots are kept; the newest always are.",
        json_schema_extra={"unit": "d"},
    )
    keep_experiments_days: float = Field(
        default=365.0,
        gt=0,
        le=36_525,
        description="How long decisions and backtests are kept; each instance's newest always is.",
        json_schema_extra={"unit": "d"},
    )
    keep_health_days: float = Field(
        default=30.0,
        gt=0,
        le=36_525,
        description="How long probes, job runs, sent alerts and ended sessions are kept.",
        json_schema_extra={"unit": "d"},
    )

    @field_validator("alert_networks")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        for part in _parts(text):
            try:
                ip_network(part)
            except ValueError as exc:
                raise ValueError(f"{exc}; networks are such as 10.20.0.0/16") from None
        return text

    @property
    def receiver_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """What `alert_networks` names."""
        return tuple(ip_network(part) for part in _parts(self.alert_networks))

    @property
    def sqlite_path(self) -> Path:
        """The SQLite file that is used when no database_url is set."""
        return self.home / "spotlab.db"


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def load(**overrides: object) -> Settings:
    """Settings from the environment, with overrides.

    Raises:
        InvalidSetting: names the variable, what it holds and what would be right.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        name = "_".join(str(part) for part in first["loc"])
        raise InvalidSetting(
            f"SPOTLAB_{name.upper()}: {first['msg'].removeprefix('Value error, ')}.",
            remedy="See the README's settings table.",
        ) from None


_OTHERS: Final = re.compile(
    r"TOKEN|SERVED_AT|SHARED_DATA|TEST_.+"
    r"|(\w+_)?SERVICE_(HOST|PORT\w*)|(\w+_)?PORT(_\d+_\w+)?"
)
"""After SPOTLAB_: variables read elsewhere, and those that Kubernetes sets for a service's name."""


def unknown_variables(names: Iterable[str]) -> list[str]:
    """What is wrong with variables that begin with SPOTLAB_ and are no setting, a sentence each."""
    known = [name.upper() for name in Settings.model_fields]
    told = []
    for name in sorted(names):
        plain = name.upper().removeprefix("SPOTLAB_")
        if plain in (name.upper(), *known) or _OTHERS.fullmatch(plain):
            continue
        near = get_close_matches(plain, known, n=1)
        meant = f"Did you mean SPOTLAB_{near[0]}?" if near else "The README lists the settings."
        told.append(f"{name} is set, and no setting of SpotLab: it changes nothing. {meant}")
    return told


def settings_table() -> str:
    """The README's table of settings, in Markdown; a test compares the two."""
    lines = ["| variable | default | unit | what it does |", "| --- | --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        default = "the checkout's `models`" if name == "models_dir" else _shown(field.default)
        lines.append(
            f"| `SPOTLAB_{name.upper()}` | {default} | {extra.get('unit', '')} "
            f"| {field.description} |"
        )
    return "\n".join(lines)


def _shown(default: object) -> str:
    return "" if default is None else f"`{default}`"

"""Settings as data: each with its default, unit and one sentence. Domain floor.

Environment variables only (prefix SPOTLAB_); the command line passes overrides to `load`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from spotlab.errors import InvalidSetting


class Settings(BaseSettings):
    """Every setting. `description` is the sentence the README shows; `unit` its unit."""

    model_config = SettingsConfigDict(env_prefix="SPOTLAB_", frozen=True, extra="forbid")

    home: Path = Field(
        default=Path(".spotlab"),
        description="Folder of all state: SQLite file, embedded server, archive.",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="SQL database (`postgresql+psycopg://…`); empty: a SQLite file in the home.",
    )
    redis_url: SecretStr | None = Field(
        default=None,
        description="Redis or Valkey server (`redis://…`); empty: one that SpotLab starts itself.",
    )
    models_dir: Path = Field(
        default=Path(__file__).resolve().parent.parent / "models",
        description="Folder of model artefacts.",
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
        description="Longest wait for a feed to connect or to send more.",
        json_schema_extra={"unit": "s"},
    )
    feed_max_mb: float = Field(
        default=64.0,
        gt=0,
        description="A larger feed is refused.",
        json_schema_extra={"unit": "MB"},
    )
    collect_max_age_s: float = Field(
        default=600.0,
        ge=0,
        description="An evaluation collects anew when the market is older.",
        json_schema_extra={"unit": "s"},
    )
    dask_scheduler: str | None = Field(
        default=None,
        description="Dask scheduler (`tcp://…`) that sweeps run on; empty: processes of this "
        "machine.",
    )
    demo_seed: int = Field(
        default=7, ge=0, description="Seed of the emulated fleet and the simulated market."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="WARNING", description="Least severe log line that is written to stderr."
    )

    @property
    def sqlite_path(self) -> Path:
        """The SQLite file that is used when no database_url is set."""
        return self.home / "spotlab.db"


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
            f"SPOTLAB_{name.upper()}: {first['msg']}.", remedy="See the README's settings table."
        ) from None


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

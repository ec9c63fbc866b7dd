"""Who we are, where the gateway listens, where bars come from, how long an approval lives."""

from __future__ import annotations

from datetime import time, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from afterclose.domain.runs import Mode
from afterclose.settings.section import Fraction, Section


class DeskSettings(Section):
    """Who we are: the desk's name is part of every order reference."""

    name: str = Field(default="desk", pattern=r"^[A-Za-z0-9_]{1,8}$")
    account: str = ""
    mode: Mode = Mode.PAPER
    #: Accounts that this desk may ever trade; a live desk must list its own.
    allowed_accounts: tuple[str, ...] = ()
    reviewer: str = ""


class BrokerSettings(Section):
    """Where the gateway listens.

    Reader, order desk and what-ifs use three client ids: this one and the two after it.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=7497, ge=1, le=65535)
    client_id: int = Field(default=17, ge=1)
    timeout_s: float = Field(default=20.0, gt=0)
    #: How long a gateway that does not answer is waited for, as one that restarts: by a command, in
    #: seconds, and by a scheduled evening, in minutes.
    wait_s: float = Field(default=20.0, ge=0, le=60)
    evening_wait_min: float = Field(default=15.0, ge=0, le=120)
    #: When the gateway restarts every day, and in which zone: IB's default is a quarter to midnight
    #: in New York, when its servers are reset, too. "never" is for the paper gateway.
    restart: time | Literal["never"] = time(23, 45)
    restart_zone: ZoneInfo = ZoneInfo("America/New_York")

    @field_validator("restart")
    @classmethod
    def _the_zone_stands_beside_it(cls, given: time | str) -> time | str:
        if isinstance(given, time) and given.tzinfo is not None:
            raise ValueError("name the zone in restart_zone")
        return given


class DataSource(StrEnum):
    """Where new bars come from."""

    #: Norgate Data, through the vendor's own package.
    NORGATE = "norgate"
    #: A folder of CSV or Parquet tables (docs/market-store.md).
    FOLDER = "folder"
    #: A folder of real history: contracts.parquet and its companions.
    HISTORY = "history"
    #: The generated market.
    GENERATED = "generated"
    #: The newest ingest of a stock Zipline bundle.
    BUNDLE = "bundle"
    #: Daily history of the gateway itself.
    GATEWAY = "gateway"


#: When each source usually has the session; generated bars are there at once, Globex re-opens after
#: an hour.
_USUAL_START_MIN = {DataSource.NORGATE: 180, DataSource.GENERATED: 65}


class DataSettings(Section):
    """Market data."""

    store: Path = Path("store")
    source: DataSource | None = None
    #: The folder of the sources that read one; of a bundle, Zipline's own (default ~/.zipline).
    folder: Path | None = None
    #: Name of the Zipline bundle.
    bundle: str = ""
    #: Currencies of a bundle's roots that the contract table does not have: ``XYZ = "USD"``.
    currencies: dict[str, str] = Field(default_factory=dict)
    #: A CSV file of exchange rates, for a source that has none.
    rates: Path | None = None
    #: Markets to keep; empty: all that the source has.
    roots: tuple[str, ...] = ()
    seed: int = 0
    #: Above this share of late markets the whole evening is blocked, not only their rows.
    max_late_share: Fraction = Decimal("0.25")
    #: Minutes from the Globex close to the evening's start; None: as the source needs it.
    start_after_close_min: int | None = Field(default=None, ge=0, le=24 * 60 - 1)
    #: Minutes from the Globex close to the settling of what is open and the account's value of the
    #: session, before Globex re-opens after an hour; "never": both only when the evening starts.
    settle_after_close_min: Annotated[int, Field(ge=1, le=59)] | Literal["never"] = 5
    #: How long a scheduled evening waits for late markets, in hours.
    wait_hours: float = Field(default=3.0, ge=0, le=12)

    @property
    def start_after_close(self) -> timedelta:
        """From the Globex close to the start. Vendors' bars are rarely complete at the close."""
        chosen = self.start_after_close_min
        usual = _USUAL_START_MIN.get(self.source, 120) if self.source else 120
        return timedelta(minutes=usual if chosen is None else chosen)

    @property
    def settle_after_close(self) -> timedelta | None:
        """From the Globex close to the settling; None where only the evening's start settles."""
        if self.settle_after_close_min == "never":
            return None
        chosen = timedelta(minutes=self.settle_after_close_min)
        return chosen if chosen < self.start_after_close else None

    @property
    def timer_after_close(self) -> tuple[timedelta, ...]:
        """From the Globex close to each moment at which a timer starts the evening's command."""
        settle = self.settle_after_close
        return (self.start_after_close,) if settle is None else (settle, self.start_after_close)


class ReviewSettings(Section):
    """A person's approval. It ends half an hour before the gateway restarts, or earlier."""

    #: Never longer than this, wherever the restart is.
    valid_for_hours: float = Field(default=12.0, gt=0, le=12)

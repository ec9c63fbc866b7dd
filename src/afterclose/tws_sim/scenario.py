"""Scenarios: the faults a gateway can have, as one frozen value, read from TOML.

Roots are named as in the market files; a product without one of its own (a mini, a weekly) by its
trading class. Order numbers count the orders (not what-ifs) that reach the gateway, from 1, since
the scenario was switched on.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from zlib import crc32


class ScenarioError(ValueError):
    """A scenario file says something unknown or impossible."""


class ShiftUnit(StrEnum):
    """What a price shift is measured in."""

    PERCENT = "%"
    TICKS = "ticks"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceShift:
    """Moves the live quotes and the forming bar of a root; finished bars stay."""

    amount: Decimal
    unit: ShiftUnit

    @classmethod
    def parse(cls, text: str) -> PriceShift:
        """Read ``"2.5%"`` or ``"-8 ticks"``."""
        for unit in ShiftUnit:
            if text.endswith(unit.value):
                try:
                    return cls(amount=Decimal(text.removesuffix(unit.value).strip()), unit=unit)
                except InvalidOperation as error:
                    raise ScenarioError(f"a price shift is no number: {text!r}") from error
        raise ScenarioError(f"a price shift ends in % or ticks, was {text!r}")

    def apply(self, price: Decimal, tick: Decimal) -> Decimal:
        """Return the moved price (not yet on the tick grid)."""
        if self.unit is ShiftUnit.TICKS:
            return price + self.amount * tick
        return price + abs(price) * self.amount / 100


class Connectivity(StrEnum):
    """What the gateway says about its own line to the broker's servers."""

    OK = "ok"
    LOST = "lost"
    RESTORED_DATA_LOST = "restored, data lost"
    RESTORED = "restored, data kept"


_EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Every fault and house rule of a gateway; the default is a healthy one.

    [contracts]
    unknown, ambiguous                 roots that answer 200
    coarse_rule                        roots whose market rule has steps of twice the tick

    [data]
    no_data                            roots whose history answers 162
    pacing                             roots whose history answers 162 for asking too fast
    no_permission                      roots that answer 354 and 162
    delayed                            roots without live data: 10089, or delayed ticks and 10167
    competing_session                  every quote request answers 10197
    price_shift                        root -> "2%" or "-5 ticks"

    [orders]
    reject                             root -> text of the 201
    hold                               root -> text of the 383: a precaution keeps the order in TWS,
                                       inactive among the open ones, until a person sends it on
                                       (``RunningGateway.send_on``)
    partial_fills                      root -> most contracts per fill
    no_callback                        order numbers that never get an answer
    drop_before, drop_after            order numbers at which the socket breaks, before or after
                                       the order reached the market
    read_only                          321 to every order and cancel
    duplicate_callbacks                every order message twice
    reverse_callbacks                  order messages of one event in reverse order
    late_callbacks_s                   seconds by which order messages come late
    size_limit                         383 above this quantity
    value_limit                        451 above this value, in the contract's currency
    price_limit_percent                163 for limits farther from the market than this
    price_band_percent                 201 for limits this far *through* the market
    closing_only                       physical delivery window: opening orders answer 201
    margin_check                       201 where available funds would turn negative
    double_perm_ids                    order numbers that get a second incarnation, with a permId
                                       of its own

    [chance]                           of each order, in percent, by the gateway's seed
    no_callback_percent, drop_before_percent, drop_after_percent, double_perm_ids_percent

    [connection]
    missing_end                        names of End markers that are never sent
    empty_exchange                     positions without their exchange
    slow_answers_s                     seconds by which every answer comes late
    clock_skew_s                       seconds by which the told time is wrong
    roll_back_ids                      nextValidId starts at 1 again at every connection
    connectivity                       "ok", "lost", "restored, data lost", "restored, data kept"
    messages_per_second                the message rate allowed, 0 for any
    disconnect_on_rate                 close the connection at the third violation
    execution_days                     days of executions shown: 1 is since midnight, as IB Gateway
                                       does it; TWS can be set to 7
    drop_after_messages                break a connection at this many requests, 0 for never
    """

    unknown: frozenset[str] = frozenset()
    ambiguous: frozenset[str] = frozenset()
    coarse_rule: frozenset[str] = frozenset()
    no_data: frozenset[str] = frozenset()
    pacing: frozenset[str] = frozenset()
    no_permission: frozenset[str] = frozenset()
    delayed: frozenset[str] = frozenset()
    competing_session: bool = False
    price_shift: Mapping[str, PriceShift] = field(default_factory=lambda: _EMPTY)
    reject: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    hold: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    partial_fills: Mapping[str, int] = field(default_factory=lambda: _EMPTY)
    no_callback: frozenset[int] = frozenset()
    drop_before: frozenset[int] = frozenset()
    drop_after: frozenset[int] = frozenset()
    read_only: bool = False
    duplicate_callbacks: bool = False
    reverse_callbacks: bool = False
    late_callbacks_s: float = 0.0
    size_limit: int = 0
    value_limit: int = 0
    price_limit_percent: float = 0.0
    price_band_percent: float = 25.0
    closing_only: bool = True
    margin_check: bool = True
    double_perm_ids: frozenset[int] = frozenset()
    no_callback_percent: float = 0.0
    drop_before_percent: float = 0.0
    drop_after_percent: float = 0.0
    double_perm_ids_percent: float = 0.0
    missing_end: frozenset[str] = frozenset()
    empty_exchange: bool = False
    slow_answers_s: float = 0.0
    clock_skew_s: float = 0.0
    roll_back_ids: bool = False
    connectivity: Connectivity = Connectivity.OK
    messages_per_second: int = 50
    disconnect_on_rate: bool = True
    drop_after_messages: int = 0
    execution_days: int = 1

    def befalls(self, fault: str, order: int, *, seed: int) -> bool:
        """Say whether a fault befalls the n-th order, by its number or by chance.

        Chance depends on seed, fault and number alone, so that a run can be repeated.
        """
        if order in getattr(self, fault):
            return True
        drawn = crc32(f"{seed}/{fault}/{order}".encode()) % 100_000
        percent: float = getattr(self, f"{fault}_percent")
        return drawn < percent * 1000

    @classmethod
    def from_toml(cls, text: str) -> Scenario:
        """Read a scenario.

        Raises ScenarioError naming the section and key that is unknown or has the wrong kind.
        """
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ScenarioError(f"not TOML: {error}") from error
        values: dict[str, Any] = {}
        for section, entries in document.items():
            if section not in _SECTIONS or not isinstance(entries, dict):
                raise ScenarioError(f"unknown section [{section}]")
            for key, value in entries.items():
                if key not in _SECTIONS[section]:
                    raise ScenarioError(f"unknown key {key!r} in [{section}]")
                values[key] = _read(f"[{section}] {key}", _KINDS[key], value)
        return cls(**values)


def _read(place: str, kind: str, value: Any) -> Any:
    try:
        return _READERS[kind](value)
    except (TypeError, ValueError, AttributeError) as error:
        raise ScenarioError(f"{place}: {error}") from error


def _texts(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError(f"expected a list of texts, was {value!r}")
    return frozenset(value)


def _numbers(value: Any) -> frozenset[int]:
    if not isinstance(value, list) or not all(type(item) is int for item in value):
        raise TypeError(f"expected a list of whole numbers, was {value!r}")
    return frozenset(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"expected true or false, was {value!r}")
    return value


def _integer(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(f"expected a whole number from 0, was {value!r}")
    return value


def _float(value: Any) -> float:
    if type(value) not in {int, float}:
        raise TypeError(f"expected a number, was {value!r}")
    return float(value)


def _shifts(value: Any) -> Mapping[str, PriceShift]:
    return MappingProxyType({root: PriceShift.parse(text) for root, text in value.items()})


def _reasons(value: Any) -> Mapping[str, str]:
    return MappingProxyType({root: str(text) for root, text in value.items()})


def _limits(value: Any) -> Mapping[str, int]:
    return MappingProxyType({root: _integer(limit) for root, limit in value.items()})


_READERS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "frozenset[str]": _texts,
        "frozenset[int]": _numbers,
        "bool": _flag,
        "int": _integer,
        "float": _float,
        "Connectivity": Connectivity,
        "Mapping[str, PriceShift]": _shifts,
        "Mapping[str, str]": _reasons,
        "Mapping[str, int]": _limits,
    }
)
_KINDS: Mapping[str, str] = MappingProxyType(
    {each.name: str(each.type) for each in fields(Scenario)}
)
_SECTIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "contracts": frozenset({"unknown", "ambiguous", "coarse_rule"}),
        "data": frozenset(
            {"no_data", "pacing", "no_permission", "delayed", "competing_session", "price_shift"}
        ),
        "orders": frozenset(
            {
                *("reject", "hold", "partial_fills", "no_callback", "drop_before", "drop_after"),
                *("read_only", "duplicate_callbacks", "reverse_callbacks", "late_callbacks_s"),
                *(
                    "size_limit",
                    "value_limit",
                    "price_limit_percent",
                    "price_band_percent",
                    "closing_only",
                ),
                *("margin_check", "double_perm_ids"),
            }
        ),
        "chance": frozenset(
            {
                *("no_callback_percent", "drop_before_percent", "drop_after_percent"),
                "double_perm_ids_percent",
            }
        ),
        "connection": frozenset(
            {
                *("missing_end", "empty_exchange", "slow_answers_s", "clock_skew_s"),
                *("roll_back_ids", "connectivity", "messages_per_second", "disconnect_on_rate"),
                *("drop_after_messages", "execution_days"),
            }
        ),
    }
)

from __future__ import annotations

from datetime import timedelta
from typing import Any

from conformance.cases import (
    CL,
    DAX,
    ES,
    EURUSD,
    OPEN,
    Bench,
    Case,
    NotSupportedError,
    tuesday,
)
from conformance.probes import REGULATORY, SNAPSHOT
from unit.tws_sim.sim_market import TUESDAY_OPEN

OLDEST_WITH_SCHEDULE = 165


def one_contract(bench: Bench) -> None:
    probe = bench.connect(bench.gateway())

    (crude,), code = probe.details(**CL)

    assert code == 0
    assert crude.contract.conId == 500600672
    assert crude.contract.localSymbol == "CLF6"
    assert crude.contract.lastTradeDateOrContractMonth == "20251219"
    assert crude.contractMonth == "202601"
    assert crude.contract.multiplier == "1000"
    assert (float(crude.minTick), int(crude.priceMagnifier)) == (0.01, 1)
    assert crude.timeZoneId == "US/Eastern"
    assert crude.tradingHours.startswith("20251130:1800-20251201:1700;")


def many_contracts(bench: Bench) -> None:
    probe = bench.connect(bench.gateway())

    found, code = probe.details(symbol="CL", exchange="NYMEX")
    months = [each.contractMonth for each in found]

    assert code == 0
    assert len(months) >= 36
    assert months == sorted(months)
    assert months[0] == "202601"


def no_contract(bench: Bench) -> None:
    probe = bench.connect(bench.gateway())

    assert probe.details(**(CL | {"exchange": "CME"})) == ([], 200)
    assert probe.details(**(CL | {"lastTradeDateOrContractMonth": "202013"})) == ([], 200)


def ambiguous(bench: Bench) -> None:
    probe = bench.connect(bench.gateway())

    found, _ = probe.details(**DAX)
    one, _ = probe.details(**DAX, multiplier="25")
    _, code = probe.bars(probe.contract(**DAX))

    assert sorted(each.contract.tradingClass for each in found) == ["FDAX", "FDXM", "FDXS"]
    assert [each.contract.tradingClass for each in one] == ["FDAX"]
    assert code == 200


def weeklies(bench: Bench) -> None:
    probe = bench.connect(bench.gateway())

    found, _ = probe.details(
        symbol="VIX", exchange="CFE", currency="USD", lastTradeDateOrContractMonth="202512"
    )
    classes = {each.contract.tradingClass for each in found}
    (monthly,), _ = probe.details(
        symbol="VIX",
        exchange="CFE",
        currency="USD",
        lastTradeDateOrContractMonth="202512",
        tradingClass="VX",
    )

    assert {"VX", "VXM", "VX1", "VX2"} <= classes
    # A Wednesday; data vendors stop on the Tuesday before.
    assert monthly.contract.lastTradeDateOrContractMonth == "20251217"


def expired(bench: Bench) -> None:
    probe = bench.connect(bench.gateway(at=TUESDAY_OPEN + timedelta(days=20)))

    hidden, code = probe.details(**ES)
    shown, _ = probe.details(**ES, includeExpired=True)
    bars, _ = probe.bars(probe.contract(**ES, includeExpired=True))
    unasked = probe.bars(probe.contract(**ES))

    assert (hidden, code) == ([], 200)
    assert [each.contract.localSymbol for each in shown] == ["ESZ5"]
    assert [each.date for each in bars] == ["20251128", "20251201", "20251202"]
    assert unasked == ([], 200)


def currency_pair(bench: Bench) -> None:
    probe = bench.connect(bench.gateway())

    (pair,), _ = probe.details(**EURUSD)
    _, code = probe.details(**(EURUSD | {"symbol": "USD", "currency": "EUR"}))

    assert (pair.contract.localSymbol, pair.contract.secType) == ("EUR.USD", "CASH")
    assert code == 200


def forming_bar(bench: Bench) -> None:
    probe = bench.connect(bench.gateway(at=tuesday(1)))

    bars, code = probe.bars(probe.qualified(**ES))

    assert code == 0
    assert [bar.date for bar in bars] == ["20251128", "20251201", "20251202"]
    assert [float(bar.close) for bar in bars] == [6820, 6810, 6800]
    assert [float(value) for value in (bars[1].open, bars[1].high, bars[1].low)] == [
        6820,
        6850,
        6800,
    ]
    assert float(bars[1].volume) == 100_000


def explicit_end(bench: Bench) -> None:
    probe = bench.connect(bench.gateway(at=tuesday(1)))
    contract = probe.qualified(**ES)

    utc, _ = probe.bars(contract, end="20251202-06:00:00", duration="1 D")
    zoned, _ = probe.bars(contract, end="20251202 06:00:00 US/Central", duration="1 W")
    mark = probe.log.mark
    probe.bars(contract, end="20251202 06:00:00")

    assert [bar.date for bar in utc] == ["20251201"]
    assert [bar.date for bar in zoned] == ["20251128", "20251201"]
    assert probe.codes(mark) == [2174]


def midpoint(bench: Bench) -> None:
    probe = bench.connect(bench.gateway())
    pair = probe.qualified(**EURUSD)

    bars, _ = probe.bars(pair, end="20251201-22:15:00", show="MIDPOINT")
    _, code = probe.bars(pair, show="TRADES")

    assert [(bar.date, float(bar.close)) for bar in bars] == [
        ("20251128", 1.1598),
        ("20251201", 1.1611),
    ]
    assert float(bars[0].volume) == -1
    assert code == 162


def no_data(bench: Bench) -> None:
    scenario = '[data]\nno_data = ["CL"]\nno_permission = ["ES"]'
    probe = bench.connect(bench.gateway(scenario=scenario))

    listed, silent = probe.bars(
        probe.qualified(**(ES | {"lastTradeDateOrContractMonth": "202609"}))
    )
    _, hidden = probe.bars(probe.qualified(**CL))
    prices, code = probe.snapshot(probe.qualified(**ES))

    assert (listed, silent, hidden) == ([], 162, 162)
    assert (prices, code) == ({}, 354)


def live_snapshot(bench: Bench) -> None:
    probe = bench.connect(bench.gateway(at=OPEN))

    prices, code = probe.snapshot(probe.qualified(**ES))

    assert code == 0
    assert prices[9] == 6810
    assert prices[1] < prices[2]
    assert prices[2] - prices[1] in {0.25, 0.5}
    assert abs(prices[4] - 6812) < 1


def delayed_snapshot(bench: Bench) -> None:
    probe = bench.connect(bench.gateway(at=OPEN, scenario='[data]\ndelayed = ["ES"]'))
    contract = probe.qualified(**ES)

    live = probe.snapshot(contract)
    probe.call("reqMarketDataType", 3)
    mark = probe.log.mark
    delayed, code = probe.snapshot(contract)

    assert live == ({}, 10089)
    assert code == 0
    assert delayed[75] == 6810
    assert probe.codes(mark) == [10167]
    assert [event.args[1] for event in probe.log.since(mark, "marketDataType")] == [3]


def running_quotes(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN)
    probe = bench.connect(gateway)
    contract = probe.qualified(**ES)
    request_id = probe.request_id()
    probe.call("reqMktData", request_id, contract, "", not SNAPSHOT, not REGULATORY, [])
    probe.wait("tickPrice", lambda found, kind, *_: found == request_id and kind == 4)

    mark = probe.log.mark
    gateway.advance_to(tuesday(1))
    event = probe.wait("tickPrice", lambda _id, kind, *_: kind == 4, since=mark)
    probe.call("cancelMktData", request_id)
    probe.synchronize()
    mark = probe.log.mark
    gateway.advance_to(tuesday(2))
    probe.synchronize()

    assert float(event.args[2]) == 6800
    assert probe.log.since(mark, "tickPrice") == []


def competing_session(bench: Bench) -> None:
    probe = bench.connect(bench.gateway(scenario="[data]\ncompeting_session = true"))

    assert probe.snapshot(probe.qualified(**ES)) == ({}, 10197)


def market_rules(bench: Bench) -> None:
    probe = bench.connect(bench.gateway())
    (corn,), _ = probe.details(
        symbol="ZC", exchange="CBOT", currency="USD", lastTradeDateOrContractMonth="202603"
    )

    probe.call("reqMarketRule", int(corn.marketRuleIds))
    rule, steps = probe.wait("marketRule").args

    assert (int(corn.priceMagnifier), float(corn.minTick)) == (100, 0.0025)
    assert int(rule) == int(corn.marketRuleIds)
    # In dollars; times the magnifier it is the quarter cent prices move by.
    assert [(float(step.lowEdge), float(step.increment)) for step in steps] == [(0, 0.0025)]


def schedule(bench: Bench) -> None:
    probe = bench.connect(bench.gateway())
    if probe.server_version < OLDEST_WITH_SCHEDULE:
        raise NotSupportedError("schedules came later than this client")

    events, _ = probe.ask(
        *("historicalSchedule", "reqHistoricalData", probe.qualified(**ES)),
        *("20251202-22:00:00", "1 W", "1 day", "SCHEDULE", 0, 1, False, []),
    )
    _, _, _, zone, sessions = events[-1].args

    assert zone == "US/Central"
    assert [each.refDate for each in sessions][-2:] == ["20251128", "20251201"]
    assert sessions[-1].startDateTime == "20251130-17:00:00"


def symbols_and_history_start(bench: Bench) -> None:
    probe = bench.connect(bench.gateway())

    found, _ = probe.ask("symbolSamples", "reqMatchingSymbols", "ES")
    stamp, _ = probe.ask("headTimestamp", "reqHeadTimeStamp", probe.qualified(**ES), "TRADES", 0, 1)

    names = [_contract_of(each).symbol for each in found[-1].args[1]]
    assert "ES" in names
    assert "ESTX50" in names
    assert stamp[-1].args[1] == "20251127-23:00:00"


def _contract_of(description: Any) -> Any:
    return description.contract


CASES: tuple[tuple[str, str, Case], ...] = (
    ("TC-15", "contract details: one", one_contract),
    ("TC-16", "contract details: a whole chain", many_contracts),
    ("TC-17", "contract details: none", no_contract),
    ("TC-18", "contract details: ambiguous", ambiguous),
    ("TC-19", "weeklies and minis beside the big contract", weeklies),
    ("TC-20", "expired contracts, only when asked for", expired),
    ("TC-21", "currency pairs", currency_pair),
    ("TC-22", "daily bars with the forming session", forming_bar),
    ("TC-23", "daily bars to an explicit end", explicit_end),
    ("TC-24", "midpoints of a currency pair", midpoint),
    ("TC-25", "no data and no permission", no_data),
    ("TC-26", "snapshot, live", live_snapshot),
    ("TC-27", "snapshot, delayed", delayed_snapshot),
    ("TC-28", "running quotes", running_quotes),
    ("TC-29", "a competing session", competing_session),
    ("TC-30", "market rules", market_rules),
    ("TC-31", "schedule of sessions", schedule),
    ("TC-32", "matching symbols and start of history", symbols_and_history_start),
)

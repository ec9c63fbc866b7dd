from __future__ import annotations

from conformance.cases import CL, OPEN, Bench, Case, traded
from unit.tws_sim.sim_market import TUESDAY_CLOSE, holding


def positions(bench: Bench) -> None:
    holdings = (holding("ES", "202512", 3, "6500"), holding("ZC", "202603", -4, "440.25"))
    probe = bench.connect(bench.gateway(holdings=holdings))
    probe.call("reqPositions")
    probe.wait("positionEnd")

    found = {
        event.args[1].localSymbol: (float(event.args[2]), float(event.args[3]))
        for event in probe.log.since(0, "position")
    }
    # The average cost is the whole contract in dollars: 440.25 cents x 5000 bushels.
    assert found == {"ESZ5": (3, 325_000), "ZCH6": (-4, 22_012.5)}


def position_without_exchange(bench: Bench) -> None:
    probe = bench.connect(bench.gateway(scenario="[connection]\nempty_exchange = true"))
    probe.call("reqPositions")
    probe.wait("positionEnd")
    (event,) = probe.log.since(0, "position")

    held = event.args[1]
    again = probe.qualified(conId=held.conId, secType="FUT")

    assert held.exchange == ""
    assert again.exchange == "CME"


def position_changes(bench: Bench) -> None:
    probe = bench.connect(bench.gateway(at=OPEN))
    probe.call("reqPositions")
    probe.wait("positionEnd")
    mark = probe.log.mark
    traded(bench, probe, fields=CL, order=probe.order("SELL", 2))

    events = probe.log.since(mark, "position")
    assert [(event.args[1].localSymbol, float(event.args[2])) for event in events] == [("CLF6", -2)]


def account_updates(bench: Bench) -> None:
    probe = bench.connect(bench.gateway())
    subscribe = True
    probe.call("reqAccountUpdates", subscribe, "DU1234567")
    probe.wait("accountDownloadEnd")

    values = {
        (event.args[0], event.args[2]): event.args[1]
        for event in probe.log.since(0, "updateAccountValue")
    }
    (line,) = probe.log.since(0, "updatePortfolio")
    contract, quantity, price, value, cost, unrealized, *_ = line.args
    assert values["CashBalance", "EUR"] == "50000.00"
    assert values["ExchangeRate", "EUR"] == "1.1611"
    assert values["CashBalance", "BASE"] == "1058055.00"
    assert values["NetLiquidation", "USD"] == "1058055.00"
    assert values["AccountReady", ""] == "true"
    assert contract.localSymbol == "ESZ5"
    assert [float(each) for each in (quantity, price, value, cost, unrealized)] == [
        3,
        6810,
        1_021_500,
        325_000,
        46_500,
    ]


def account_summary(bench: Bench) -> None:
    probe = bench.connect(bench.gateway())

    plain, _ = probe.ask(
        "accountSummaryEnd", "reqAccountSummary", "All", "NetLiquidation,InitMarginReq"
    )
    ledger, _ = probe.ask("accountSummaryEnd", "reqAccountSummary", "All", "$LEDGER:ALL")
    _, too_many = probe.ask("accountSummaryEnd", "reqAccountSummary", "All", "NetLiquidation")

    shown = {
        (event.args[2], event.args[4]): event.args[3]
        for event in [*plain, *ledger]
        if event.name == "accountSummary"
    }
    assert shown["NetLiquidation", "USD"] == "1058055.00"
    assert shown["InitMarginReq", "USD"] == "48180.00"
    assert shown["CashBalance", "EUR"] == "50000.00"
    assert shown["CashBalance", "BASE"] == "1058055.00"
    assert too_many == 322


def account_updates_multi(bench: Bench) -> None:
    ledger_only = False
    probe = bench.connect(bench.gateway())

    events, _ = probe.ask(
        "accountUpdateMultiEnd", "reqAccountUpdatesMulti", "DU1234567", "", ledger_only
    )

    shown = {
        (event.args[3], event.args[5]): event.args[4]
        for event in events
        if event.name == "accountUpdateMulti"
    }
    assert shown["NetLiquidation", "USD"] == "1058055.00"


def profit_and_loss(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN)
    probe = bench.connect(gateway)
    gateway.advance_to(TUESDAY_CLOSE)

    whole, _ = probe.ask("pnl", "reqPnL", "DU1234567", "")
    single, _ = probe.ask("pnlSingle", "reqPnLSingle", "DU1234567", "", 500410671)

    # Three contracts from 6500 to 6830.
    assert float(whole[-1].args[2]) == 49_500
    assert float(single[-1].args[1]) == 3
    assert float(single[-1].args[3]) == 49_500
    assert float(single[-1].args[5]) == 1_024_500


def daily_settlement(bench: Bench) -> None:
    gateway = bench.gateway(at=OPEN)
    probe = bench.connect(gateway)
    gateway.advance_to(TUESDAY_CLOSE)

    events, _ = probe.ask("accountSummaryEnd", "reqAccountSummary", "All", "$LEDGER:USD")

    shown = {event.args[2]: event.args[3] for event in events if event.name == "accountSummary"}
    # From 6812 to 6830 on three contracts.
    assert shown["CashBalance"] == "1002700.00"
    assert shown["FuturesPNL"] == "0.00"


def missing_end(bench: Bench) -> None:
    probe = bench.connect(bench.gateway(scenario='[connection]\nmissing_end = ["positions"]'))
    probe.call("reqPositions")
    probe.synchronize()

    assert len(probe.log.since(0, "position")) == 1
    assert probe.log.since(0, "positionEnd") == []


CASES: tuple[tuple[str, str, Case], ...] = (
    ("TC-33", "positions", positions),
    ("TC-34", "positions without an exchange, found again by id", position_without_exchange),
    ("TC-35", "positions change with a fill", position_changes),
    ("TC-36", "account updates and portfolio in several currencies", account_updates),
    ("TC-37", "account summary and ledger", account_summary),
    ("TC-38", "account updates by request id", account_updates_multi),
    ("TC-39", "profit and loss", profit_and_loss),
    ("TC-40", "daily settlement goes into cash", daily_settlement),
    ("TC-41", "an End marker that never comes", missing_end),
)

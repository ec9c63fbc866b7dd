"""Two days of an account in euros, every part of the drift worked out on paper.

One model of a million dollars, followed one to one, and an account of a million euros. It is
decided at the close of the 19th; the desk trades in the night, the model at the close of the 20th:

| | close 19th | 20th | 23rd | money per point | the model | the desk |
|---|---|---|---|---|---|---|
| ES | 6000 | 6010 | 6030 | 50 dollars | buys 4 at 6010 | 3 of 4 filled at 6001, paid 6.15 dollars |
| FESX | 5000 | 5040 | 5000 | 10 euros | buys 2 at 5040 | buys 2 at 5010, paid 3.00 euros |
| ZC | 430 | 432 | 436 | 50 dollars (cents, 5,000 bushels) | buys 1 at 432 | excluded at approval |

The model pays 0.85 dollars a contract. A euro is 1.20, 1.25 and 1.28 dollars by the account, and
1.20, 1.25 and 1.27 by the data. On the 23rd 10,000 euros are put in.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from afterclose.domain.contracts import Currency, FuturesContract
from afterclose.domain.nav import AccountNav, CashFlow, DriftParts, NavHistory
from afterclose.report.nav import nav_rows
from afterclose.stages import nav
from make import ACCOUNT, EUR, USD, make_contract, make_spec

D = Decimal
DAYS = (date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 23))
ES, FESX, ZC = make_contract("ESZ26"), make_contract("FESXZ26"), make_contract("ZCZ26")
SPECS = {
    ES.root: make_spec("ES"),
    FESX.root: make_spec("FESX", currency=EUR, multiplier="10", point_value=D(10)),
    ZC.root: make_spec("ZC", multiplier="5000", price_magnifier=100, point_value=D(50)),
}
CLOSES = {ES: (6000, 6010, 6030), FESX: (5000, 5040, 5000), ZC: (430, 432, 436)}
BY_ACCOUNT, BY_DATA = (D("1.20"), D("1.25"), D("1.28")), (D("1.20"), D("1.25"), D("1.27"))


def closed(day: int) -> datetime:
    """Ten past four in Chicago."""
    return datetime.combine(DAYS[day], datetime.min.time(), UTC) + timedelta(hours=22, minutes=10)


def record(day: int, euros: str, **cash: str) -> AccountNav:
    """What the account is worth in euros, and its balances; a dollar by its own rate."""
    return AccountNav(
        account=ACCOUNT,
        session=DAYS[day],
        as_of=closed(day),
        base=EUR,
        net_liquidation=D(euros),
        reporting=USD,
        rate=BY_ACCOUNT[day],
        cash={Currency(name): D(amount) for name, amount in cash.items()},
        rates={USD: 1 / BY_ACCOUNT[day]},
        positions={} if day == 0 else {"ESZ26": 3, "FESXZ26": 2},
    )


def trade(
    contract: FuturesContract,
    quantity: int,
    price: int,
    reference: int | None = None,
    paid: tuple[str, Currency] | None = None,
) -> nav.Trade:
    return nav.Trade(
        contract=contract,
        quantity=D(quantity),
        price=D(price),
        reference=None if reference is None else D(reference),
        commission=None if paid is None else D(paid[0]),
        commission_currency=None if paid is None else paid[1],
    )


@pytest.fixture
def history() -> NavHistory:
    night = closed(0) + timedelta(hours=2)
    model = nav.ModelBook(
        name="TF",
        scale=D(1),
        values={DAYS[0]: D(1000000), DAYS[1]: D("999994.05"), DAYS[2]: D("1003178.05")},
        fills=[(DAYS[1], t) for t in (trade(ES, 4, 6010), trade(FESX, 2, 5040), trade(ZC, 1, 432))],
        desk=[
            (night, trade(ES, 3, 6001, 6000, ("6.15", USD))),
            (night, trade(FESX, 2, 5010, 5000, ("3.00", EUR))),
        ],
    )
    deposit = CashFlow(
        at=closed(1) + timedelta(days=2), amount=D(10000), currency=EUR, by="Ann", note="bank"
    )
    records = [
        record(0, "1000000", EUR="1000000"),
        # 1,000,000 + 600 − 3.00 euros, and 1,350 − 6.15 dollars at 1.25.
        record(1, "1001672.08", EUR="1000597", USD="1343.85"),
        # 800 euros less and 10,000 more; 3,000 dollars more, at 1.28.
        record(2, "1013190.6328125", EUR="1009797", USD="4343.85"),
    ]
    return nav.compare(
        nav.NavInputs(
            reporting=USD,
            records=records,
            models=[model],
            specs=SPECS,
            close=lambda contract, session: D(CLOSES[contract][DAYS.index(session)]),
            rate=lambda c, session: D(1) if c == USD else BY_DATA[DAYS.index(session)],
            opens_after=lambda session: (
                datetime.combine(session, datetime.min.time(), UTC) + timedelta(hours=23)
            ),
            flows=[deposit],
        )
    )


def test_the_first_day_is_by_hand(history: NavHistory) -> None:
    """The account: 1,252,090.10 − 1,200,000 dollars. The model: seven commissions."""
    day = history.days[0]

    assert (day.account_result, day.model_result) == (D("52090.10"), D("-5.95"))
    assert day.parts == DriftParts(
        slippage=D(-400),  # 3 × −1 × 50, and 2 × −10 × 10 × 1.25
        timing=D(2500),  # 3 × 10 × 50, and 2 × 40 × 10 × 1.25
        commission=D("-3.95"),  # 5.95 − 6.15 − 3.00 × 1.25
        currency=D(50000),  # a million euros by 0.05
    )
    assert day.models[0].desk_result == D("2090.10")  # 1,350 + 750 − 9.90
    assert day.unknown == ()


def test_the_second_day_is_by_hand(history: NavHistory) -> None:
    """The account: 1,296,884.01 − 1,252,090.10. The model: 4,000 − 800 × 1.27 + 200."""
    day = history.days[1]

    assert (day.account_result, day.model_result) == (D("44793.91"), D(3184))
    assert day.parts == DriftParts(
        missed=D(-1200),  # one ES by 20 × 50, one ZC by 4 × 50
        currency=D("30009.91"),  # 1,000,597 euros by 0.03, and −800 euros by 1.28 − 1.27
        flows=D(12800),  # 10,000 euros at 1.28
    )
    assert day.unknown == ()


def test_the_days_add_up_without_a_rest(history: NavHistory) -> None:
    whole = history.cumulative()[-1]

    assert whole.total == D("41609.91") + D("52096.05")
    assert (whole.rest, whole.other) == (D(0), D(0))


def test_the_capitals_value_leaves_the_deposit_out(history: NavHistory) -> None:
    first, second = nav_rows(history)

    assert (first.desk_nav, second.desk_nav) == (D("1052090.10"), D("1084084.01"))
    assert f"{first.account_return:.8f}" == "0.05209010"
    assert f"{first.model_return:.8f}" == "-0.00000595"

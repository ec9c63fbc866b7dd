"""One row of a transactions file: what each column says, and every reason not to trade it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from afterclose.adapters.files.delimited import DelimitedRow, DelimitedText
from afterclose.adapters.files.moments import (
    DayOrder,
    Moment,
    day_order,
    looks_like_date,
    read_moment,
)
from afterclose.domain.contracts import FuturesContract, Session, read_symbol
from afterclose.domain.findings import Finding, Severity
from afterclose.errors import ContractError, UsageError

#: Our name of a column → the names it goes by, best first. An unnamed column is pandas' index.
_NAMES = {
    "date": ("dt", "date", "datetime", "timestamp"),
    "index": ("", "unnamed: 0", "index"),
    "symbol": ("symbol", "contract", "asset"),
    "sid": ("sid",),
    "amount": ("amount", "quantity", "qty"),
    "price": ("price",),
    "order_id": ("order_id", "orderid"),
    "money": ("txn_dollars",),
}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_COMMA_NUMBER = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+,\d+|\d+(,\d+)?([eE][+-]?\d{1,3})?)", re.ASCII)
_LONGEST_NUMBER = 40
_NO_VALUE = frozenset({"", "nan", "none", "null", "nat", "<na>"})
#: No futures price of any vendor is near these.
_LARGEST_PRICE = Decimal(10) ** 9
_SMALLEST_PRICE = Decimal(10) ** -9
_LARGEST_AMOUNT = 1_000_000
#: txn_dollars may have been rounded; a wrong sign, size or unit shows well above this.
_MONEY_TOLERANCE = Decimal("0.001")
#: A contract trades at most one month past its delivery month (DC), and 15 years before it.
_MONTHS_PAST_DELIVERY = 1
_MONTHS_AHEAD = 15 * 12 + 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where each column stands; None: the file has none."""

    header: tuple[str, ...]
    symbol: int
    amount: int
    price: int
    date: int | None
    index: int | None
    sid: int | None
    order_id: int | None
    money: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRead:
    """A row as far as it could be read. It is good when it has no findings.

    ``also_concerns`` are other contracts that a bad row may have been meant for.
    """

    source: str
    line: int
    session: Session | None
    at: datetime | None
    symbol: str
    contract: FuturesContract | None
    amount: int | None
    price: Decimal | None
    order_id: str
    findings: tuple[Finding, ...]
    also_concerns: tuple[FuturesContract, ...] = ()

    def repeating(self, earlier: RowRead, what: str) -> RowRead:
        """Return the row rejected because an earlier one has ``what`` already."""
        finding = _fault(
            "AC232",
            f"line {earlier.line} has it already: {what}",
            "was the file joined from two runs, or a row copied? write it again",
            _Place(source=self.source, line=self.line, symbol=self.symbol),
        )
        return replace(
            self,
            findings=(*self.findings, finding),
            also_concerns=(*self.also_concerns, *_another(earlier.contract, self.contract)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    source: str
    line: int
    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Style:
    """How this file writes numbers and dates; ``moments`` remembers texts already read."""

    comma_decimals: bool
    order: DayOrder
    moments: dict[str, Moment | str] = field(default_factory=dict)


def has_columns(header: Sequence[str]) -> bool:
    """Whether a first record is the header of a transactions file: two of its columns will do."""
    known = {name for names in _NAMES.values() for name in names if name}
    return len(known.intersection(header)) >= 2  # noqa: PLR2004 - one could be chance


def layout_of(header: Sequence[str], *, source: str) -> Layout:
    """Find the columns. Raises UsageError for a missing or doubled one, naming those found."""
    doubled = sorted({name for name in header if name and header.count(name) > 1})
    if doubled:
        raise UsageError(
            f"{source}: columns given twice: {', '.join(doubled)}",
            hint="keep one of each; was the file joined from two?",
        )
    found = {ours: _position(header, names) for ours, names in _NAMES.items()}
    symbol = found["symbol"] if found["symbol"] is not None else found["sid"]
    amount, price = found["amount"], found["price"]
    if symbol is None or amount is None or price is None or _no_date(found):
        raise UsageError(
            f"{source}: columns missing: {', '.join(_missing(found))}; "
            f"found: {', '.join(name or '(unnamed)' for name in header)}",
            hint="write the file with pyfolio's extract_rets_pos_txn_from_zipline and to_csv",
        )
    return Layout(
        header=tuple(header),
        symbol=symbol,
        amount=amount,
        price=price,
        date=found["date"],
        index=found["index"],
        sid=found["sid"] if found["sid"] != symbol else None,
        order_id=found["order_id"],
        money=found["money"],
    )


def _position(header: Sequence[str], names: Sequence[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _no_date(found: Mapping[str, int | None]) -> bool:
    return found["date"] is None and found["index"] is None


def _missing(found: Mapping[str, int | None]) -> list[str]:
    missing = [name for name in ("amount", "price") if found[name] is None]
    if found["symbol"] is None and found["sid"] is None:
        missing.insert(0, "symbol")
    if _no_date(found):
        missing.insert(0, "dt")
    return missing


def read_rows(text: DelimitedText, *, layout: Layout, source: str) -> tuple[RowRead, ...]:
    """Read every row of the file; the rows go in and come out one for one."""
    style = _style(text, layout)
    return tuple(_read_row(row, layout=layout, style=style, source=source) for row in text.rows)


def _style(text: DelimitedText, layout: Layout) -> _Style:
    numbers = [layout.price, layout.amount]
    dates = [i for i in (layout.date, layout.index) if i is not None]
    return _Style(
        comma_decimals=text.delimiter != ","
        and any("," in _cell(row, i) for row in text.rows for i in numbers),
        order=day_order(_cell(row, i) for row in text.rows for i in dates),
    )


def _cell(row: DelimitedRow, position: int | None) -> str:
    return row.cells[position] if position is not None and position < len(row.cells) else ""


def _read_row(row: DelimitedRow, *, layout: Layout, style: _Style, source: str) -> RowRead:
    symbol = _cell(row, layout.symbol)
    place = _Place(source=source, line=row.line, symbol=symbol)
    if tuple(cell.lower() for cell in row.cells) == layout.header:
        return _header_again(place)
    faults: list[Finding] = []
    if len(row.cells) != len(layout.header):
        faults.append(_wrong_width(row, layout, place))
    moment = _moment(row, layout, style, place, faults)
    contract = _contract(row, layout, moment, place, faults) if moment else None
    amount = _amount(_cell(row, layout.amount), style, place, faults)
    price = _price(_cell(row, layout.price), style, place, faults)
    if amount is not None and price is not None:
        _check_money(_cell(row, layout.money), amount * price, style, place, faults)
    order_id = _cell(row, layout.order_id)
    return RowRead(
        source=source,
        line=row.line,
        session=moment.session if moment else None,
        at=moment.at if moment else None,
        symbol=symbol,
        contract=contract,
        amount=amount,
        price=price,
        order_id="" if order_id.lower() in _NO_VALUE else order_id,
        findings=tuple(faults),
        also_concerns=_by_sid(row, layout, moment, contract) if faults else (),
    )


def _moment(
    row: DelimitedRow, layout: Layout, style: _Style, place: _Place, faults: list[Finding]
) -> Moment | None:
    index = _cell(row, layout.index)
    text = _cell(row, layout.date) if layout.date is not None else index
    read = _read_moment(text, style)
    if isinstance(read, str):
        hint = "write dates as 2025-08-18 21:00:00+00:00, as pandas does"
        faults.append(_fault("AC231", f"the date {text!r} cannot be used: {read}", hint, place))
        return None
    if layout.date is not None and looks_like_date(index):
        other = _read_moment(index, style)
        if isinstance(other, str) or other.session != read.session:
            message = f"the first column says {index!r}, the column of dates {text!r}"
            hint = "was the file sorted or edited by column? write it again"
            faults.append(_fault("AC237", message, hint, place))
    return read


def _read_moment(text: str, style: _Style) -> Moment | str:
    """Read a date once per spelling; a text instead of a moment says why there is none."""
    if text not in style.moments:
        try:
            style.moments[text] = read_moment(text, order=style.order)
        except ValueError as error:
            style.moments[text] = str(error)
    return style.moments[text]


def _contract(
    row: DelimitedRow, layout: Layout, moment: Moment, place: _Place, faults: list[Finding]
) -> FuturesContract | None:
    try:
        contract = read_symbol(place.symbol, on=moment.session)
    except ContractError as error:
        hint = error.hint or "expected a futures contract, as in ESZ26 or Future(12 [ESZ26])"
        faults.append(_fault("AC201", str(error), hint, place))
        return None
    sid = _cell(row, layout.sid)
    if sid and not sid.isdecimal() and _named(sid, moment.session) != contract:
        message = f"column sid says {sid!r}, column symbol {place.symbol!r}"
        hint = "was the file sorted or edited by column? write it again"
        faults.append(_fault("AC236", message, hint, place))
    month = contract.month
    ahead = (month.year - moment.session.year) * 12 + month.month - moment.session.month
    if not -_MONTHS_PAST_DELIVERY <= ahead <= _MONTHS_AHEAD:
        message = f"{contract} of {month.yyyymm} was not tradable on {moment.session}"
        hint = "correct the date or the symbol; a delivery that is over cannot be traded"
        faults.append(_fault("AC234", message, hint, place))
    return contract


def _by_sid(
    row: DelimitedRow, layout: Layout, moment: Moment | None, contract: FuturesContract | None
) -> tuple[FuturesContract, ...]:
    """Return the contract that column sid names, where it is another than the row's."""
    return _another(_named(_cell(row, layout.sid), moment.session), contract) if moment else ()


def _another(
    contract: FuturesContract | None, known: FuturesContract | None
) -> tuple[FuturesContract, ...]:
    return () if contract is None or contract == known else (contract,)


def _named(text: str, session: Session) -> FuturesContract | None:
    try:
        return read_symbol(text, on=session)
    except ContractError:
        return None


def _amount(text: str, style: _Style, place: _Place, faults: list[Finding]) -> int | None:
    number = _number(text, style)
    if number is not None and number == number.to_integral_value():
        if 0 < abs(number) <= _LARGEST_AMOUNT:
            return int(number)
        message = f"the amount must be 1 to {_LARGEST_AMOUNT} contracts, was {text}"
    else:
        message = f"the amount must be a whole number of contracts, was {text!r}"
    hint = "contracts are whole: positive to buy, negative to sell"
    faults.append(_fault("AC230", message, hint, place))
    return None


def _price(text: str, style: _Style, place: _Place, faults: list[Finding]) -> Decimal | None:
    number = _number(text, style)
    if number is not None and _SMALLEST_PRICE <= abs(number) <= _LARGEST_PRICE:
        return number
    what = "is missing" if text.lower() in _NO_VALUE else f"cannot be used: {text!r}"
    hint = "was there a bar that day? mend the data and run the model again"
    faults.append(_fault("AC106", f"the price of {place.symbol} {what}", hint, place))
    return None


def _check_money(
    text: str, value: Decimal, style: _Style, place: _Place, faults: list[Finding]
) -> None:
    """Pyfolio writes −price × amount: a sign or a unit changed in one column shows here."""
    if text.lower() in _NO_VALUE:
        return
    money = _number(text, style)
    if money is None or abs(money + value) > abs(value) * _MONEY_TOLERANCE + _last_place(money):
        message = f"txn_dollars must be −price × amount = {-value:f}, was {text!r}"
        hint = "was a column edited or rounded? write the file again"
        faults.append(_fault("AC239", message, hint, place))


def _last_place(number: Decimal) -> Decimal:
    """One unit of the last digit written: how far rounding can have moved the number."""
    exponent = number.as_tuple().exponent
    return Decimal(1).scaleb(exponent) if isinstance(exponent, int) else Decimal(0)


def _number(text: str, style: _Style) -> Decimal | None:
    pattern = _COMMA_NUMBER if style.comma_decimals else _NUMBER
    if len(text) > _LONGEST_NUMBER or pattern.fullmatch(text) is None:
        return None
    if style.comma_decimals:
        text = text.replace(".", "").replace(",", ".")
    return Decimal(text)


def _header_again(place: _Place) -> RowRead:
    message = "the names of the columns stand here again: files were joined"
    finding = _fault("AC235", message, "give the file of one run alone", place)
    return RowRead(
        source=place.source,
        line=place.line,
        session=None,
        at=None,
        symbol="",
        contract=None,
        amount=None,
        price=None,
        order_id="",
        findings=(finding,),
    )


def _wrong_width(row: DelimitedRow, layout: Layout, place: _Place) -> Finding:
    message = f"the row has {len(row.cells)} values where the header has {len(layout.header)}"
    hint = "look for a missing or surplus separator, or a row cut off at the end of the file"
    return _fault("AC235", message, hint, place)


def _fault(code: str, message: str, hint: str, place: _Place) -> Finding:
    return Finding(
        code=code,
        severity=Severity.BLOCK,
        subject=f"{place.source}, line {place.line}",
        message=message,
        hint=hint,
        evidence={"file": place.source, "line": place.line, "symbol": place.symbol},
    )

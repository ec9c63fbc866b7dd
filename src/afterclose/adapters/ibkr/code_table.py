"""The table of TWS codes: one row per code, nothing else.

``codes.explain`` reads it, ``docs/tws-codes.md`` is written from it.
"""

from __future__ import annotations

from afterclose.adapters.ibkr.code_entry import CodeEntry, CodeKind, TextCase

_SUBSCRIBE = (
    "Client Portal > Settings > Market Data Subscriptions: subscribe, or accept delayed data."
)
_RECONCILE = "Read the broker's book before anything else; the order may be alive."
_PRECAUTIONS = (
    "TWS > Global Configuration > Presets > Futures > Precautionary Settings: raise the limit."
)
_READ_ONLY = "TWS > Global Configuration > API > Settings: untick “Read-Only API” to send orders."


def _entry(
    code: int,
    kind: CodeKind,
    cause: str,
    action: str = "Nothing to do.",
    *cases: TextCase,
    later: bool = False,
) -> CodeEntry:
    return CodeEntry(
        code=code, kind=kind, cause=cause, action=action, retryable=later, cases=tuple(cases)
    )


_NOTICE, _WARNING, _REQUEST = CodeKind.NOTICE, CodeKind.WARNING, CodeKind.REQUEST
_ORDER, _LINE, _SETUP = CodeKind.ORDER, CodeKind.LINE, CodeKind.SETUP

TABLE: tuple[CodeEntry, ...] = (
    _entry(
        100,
        _SETUP,
        "More messages a second than the account's market data lines allow (50 by default).",
        "Close other programs on this login; the gateway may have dropped what it did not read.",
    ),
    _entry(
        101,
        _REQUEST,
        "All market data lines of the account are taken (100 by default).",
        "Close watch lists in TWS or buy a quote booster pack.",
        later=True,
    ),
    _entry(102, _REQUEST, "The request number is in use.", "Connect again."),
    _entry(
        103,
        _ORDER,
        "The order number was used before: the gateway's counter went back.",
        "Never send again blindly. " + _RECONCILE,
    ),
    _entry(104, _ORDER, "A filled order cannot be changed.", _RECONCILE),
    _entry(105, _WARNING, "The change names other terms than the order has.", _RECONCILE),
    _entry(106, _ORDER, "The order cannot be transmitted.", _RECONCILE),
    _entry(107, _ORDER, "The order is incomplete and was not transmitted.", _RECONCILE),
    _entry(
        109, _ORDER, "The price is further from the market than TWS's percentage.", _PRECAUTIONS
    ),
    _entry(
        110,
        _ORDER,
        "The price is not on the contract's tick.",
        "Check the tick size of this root in the mapping; do not send the same price again.",
    ),
    _entry(111, _ORDER, "Order type and time in force do not go together.", "Change one of them."),
    _entry(113, _ORDER, "An order at the close must be good for the day.", "Use DAY."),
    _entry(116, _ORDER, "The exchange is not reachable.", _RECONCILE),
    _entry(133, _ORDER, "The order could not be submitted.", _RECONCILE),
    _entry(134, _ORDER, "The change could not be submitted.", _RECONCILE),
    _entry(135, _ORDER, "The gateway knows no order of this number.", _RECONCILE),
    _entry(136, _ORDER, "This order cannot be cancelled.", _RECONCILE),
    _entry(140, _ORDER, "The size is not a whole number.", "Check the quantity."),
    _entry(161, _ORDER, "The order is past cancelling, as a rule because it filled.", _RECONCILE),
    _entry(
        162,
        _REQUEST,
        "The history service refused.",
        "Read its text; ask again later.",
        TextCase(
            contains="pacing",
            cause="Too many history requests in a short time.",
            action="Wait fifteen seconds and ask once more.",
            retryable=True,
        ),
        TextCase(
            contains="no data",
            cause="The history service has no bars for this contract and period.",
            action="Check contract month and exchange; a new contract may not have traded yet.",
            no_data=True,
        ),
        TextCase(
            contains="no historical market data",
            cause="The history service keeps no such prices for this contract.",
            action="Check contract and kind of price.",
            no_data=True,
        ),
        TextCase(
            contains="permission",
            cause="This login may not see the history of that exchange.",
            action=_SUBSCRIBE,
        ),
        TextCase(
            contains="cancel",
            cause="The history request was cancelled.",
            action="Ask again.",
            retryable=True,
        ),
    ),
    _entry(163, _ORDER, "The price is outside the allowed percentage.", _PRECAUTIONS),
    _entry(165, _NOTICE, "A word from the history service."),
    _entry(
        200,
        _REQUEST,
        "The gateway knows no contract of this description.",
        "Check symbol, exchange, currency and month in the mapping; the contract may have expired.",
        TextCase(
            contains="ambiguous",
            cause="Several contracts fit this description.",
            action="Give the multiplier or the trading class in the mapping.",
        ),
    ),
    _entry(
        201,
        _ORDER,
        "The order was refused.",
        "Read the reason in its text.",
        TextCase(
            contains="margin",
            cause="The account has too little margin for this order.",
            action="Stop the evening: free margin or drop orders, then approve a new basket.",
        ),
        TextCase(
            contains="permission",
            cause="The account may not trade this product.",
            action="Client Portal > Settings > Trading Permissions: ask for the product.",
        ),
        TextCase(
            contains="physical delivery",
            cause="The contract is inside IBKR's close-out window before delivery.",
            action="Only closing orders are taken; roll to the next month.",
        ),
        TextCase(
            contains="15 orders",
            cause="Fifteen orders already work on this side of the contract.",
            action="Cancel some of them in TWS.",
        ),
        TextCase(
            contains="price",
            cause="The price is outside what the exchange or IBKR accepts.",
            action="Compare the limit with the market; check the price unit of the root.",
        ),
    ),
    _entry(202, _ORDER, "The order was cancelled.", "The status of the order confirms it."),
    _entry(
        203,
        _SETUP,
        "The product is not available to this account.",
        "Client Portal > Settings > Trading Permissions.",
    ),
    _entry(300, _NOTICE, "The quote request that was to be ended had ended already."),
    _entry(
        321,
        _SETUP,
        "TWS found the request invalid.",
        "Read the cause in its text.",
        TextCase(contains="read-only", cause="The API is in read-only mode.", action=_READ_ONLY),
    ),
    _entry(322, _REQUEST, "TWS could not process the request.", "Read the cause in its text."),
    _entry(
        326,
        _SETUP,
        "Another program is connected with this client number.",
        "Close it, or wait for its old connection to end; do not change the number: orders belong "
        "to it.",
        later=True,
    ),
    _entry(329, _ORDER, "The order could not be changed to another type.", _RECONCILE),
    _entry(
        354,
        _REQUEST,
        "This login has no market data subscription for the exchange.",
        _SUBSCRIBE,
    ),
    _entry(366, _REQUEST, "No such history request is open any more.", later=True),
    _entry(382, _ORDER, "The price breaks the number of ticks in TWS's presets.", _PRECAUTIONS),
    _entry(383, _ORDER, "The size is above the limit of TWS's presets.", _PRECAUTIONS),
    _entry(
        387,
        _ORDER,
        "The exchange does not take this order type for the contract.",
        "Choose LMT or MKT for this root.",
    ),
    _entry(388, _ORDER, "The size is below the exchange's minimum.", "Check the quantity."),
    _entry(
        399,
        _WARNING,
        "A message about a living order, as a rule that it waits for the market to open.",
    ),
    _entry(404, _WARNING, "The order is held while shares to borrow are looked for."),
    _entry(420, _REQUEST, "A live data request was refused.", "Ask again later.", later=True),
    _entry(434, _ORDER, "The size is zero.", "Check the quantity."),
    _entry(435, _SETUP, "The order names no account.", "Set the account of the desk."),
    _entry(436, _SETUP, "The order must name one of the login's accounts.", "Set the account."),
    _entry(451, _ORDER, "The price breaks a precautionary setting of TWS.", _PRECAUTIONS),
    _entry(
        460,
        _ORDER,
        "The account may not trade this product.",
        "Client Portal > Settings > Trading Permissions.",
    ),
    _entry(463, _ORDER, "The order needs a valid price.", "Check the limit."),
    _entry(
        478, _REQUEST, "Contract number and description contradict each other.", "Qualify again."
    ),
    _entry(501, _LINE, "Already connected."),
    _entry(
        502,
        _LINE,
        "Nobody listens at the gateway's address.",
        "Start TWS or IB Gateway; API > Settings: tick “Enable ActiveX and Socket Clients”, check "
        "the port.",
        later=True,
    ),
    _entry(503, _SETUP, "This TWS is too old.", "Update TWS or IB Gateway."),
    _entry(504, _LINE, "Not connected.", "Connect again.", later=True),
    _entry(505, _LINE, "TWS got a message that it does not know."),
    _entry(507, _LINE, "A message on the line was broken.", "Connect again.", later=True),
    _entry(
        1100,
        _LINE,
        "TWS lost IBKR's servers; the line between this program and TWS still stands.",
        "Send nothing; wait for 1101 or 1102.",
        later=True,
    ),
    _entry(
        1101,
        _LINE,
        "IBKR's servers are back; subscriptions were lost.",
        "Read the broker's book: fills in between are not repeated.",
    ),
    _entry(
        1102,
        _LINE,
        "IBKR's servers are back; subscriptions were kept.",
        "Read the broker's book: fills in between are not repeated.",
    ),
    _entry(1300, _LINE, "TWS changed its port.", "Connect to the port that the text names."),
    _entry(2100, _WARNING, "The account's updates go to another request now.", later=True),
    _entry(2101, _WARNING, "The account's updates are taken by another request.", later=True),
    _entry(2102, _WARNING, "The order is being worked on and cannot be changed now.", _RECONCILE),
    _entry(
        2103,
        _LINE,
        "A market data farm is down.",
        "Wait for 2104; quotes of its exchanges are missing until then.",
        later=True,
    ),
    _entry(2104, _NOTICE, "A market data farm is connected."),
    _entry(2105, _LINE, "A history farm is down.", "Wait for 2106 and ask again.", later=True),
    _entry(2106, _NOTICE, "A history farm is connected."),
    _entry(2107, _NOTICE, "A history farm sleeps and wakes on demand."),
    _entry(2108, _NOTICE, "A market data farm sleeps and wakes on demand."),
    _entry(2109, _WARNING, "“Outside regular hours” has no meaning for this order and is ignored."),
    _entry(
        2110,
        _LINE,
        "TWS lost IBKR's servers and will come back by itself.",
        "Send nothing; wait for 1101 or 1102.",
        later=True,
    ),
    _entry(2119, _NOTICE, "A market data farm is connecting."),
    _entry(
        2137,
        _WARNING,
        "The order takes the position through zero.",
        "Check that a reversal is meant.",
    ),
    _entry(
        2152,
        _WARNING,
        "Some exchanges of this market are not subscribed.",
        _SUBSCRIBE,
    ),
    _entry(
        2157,
        _LINE,
        "The contract database is down.",
        "Wait for 2158; contracts cannot be looked up until then.",
        later=True,
    ),
    _entry(2158, _NOTICE, "The contract database is connected."),
    _entry(2161, _WARNING, "The broker caps the price of the order.", "Look at the capped price."),
    _entry(2168, _WARNING, "An old flag of the order (e-trade only) is ignored."),
    _entry(2169, _WARNING, "An old flag of the order (firm quote only) is ignored."),
    _entry(2174, _WARNING, "A time was sent without its zone; TWS assumed one."),
    _entry(
        10089,
        _REQUEST,
        "The exchange's market data needs a further subscription for the API.",
        _SUBSCRIBE,
    ),
    _entry(10090, _WARNING, "Part of the market data is not subscribed.", _SUBSCRIBE),
    _entry(10091, _REQUEST, "Part of the market data needs a subscription.", _SUBSCRIBE),
    _entry(
        10147,
        _ORDER,
        "The gateway has no working order of this number to cancel.",
        "Its fate is in completed orders and executions.",
    ),
    _entry(
        10148,
        _ORDER,
        "The order cannot be cancelled; its state is in the text.",
        "Believe the state, not the refusal.",
    ),
    _entry(10149, _ORDER, "The order number to cancel is not valid.", _RECONCILE),
    _entry(10167, _NOTICE, "Not subscribed: delayed data is shown instead.", _SUBSCRIBE),
    _entry(
        10168,
        _REQUEST,
        "Not subscribed, and delayed data is switched off.",
        _SUBSCRIBE,
    ),
    _entry(10182, _REQUEST, "Live updates stopped: the line was lost.", "Ask again.", later=True),
    _entry(10186, _REQUEST, "Not subscribed, and there is no delayed data.", _SUBSCRIBE),
    _entry(
        10197,
        _REQUEST,
        "The same user watches market data in another session (phone, web, second TWS).",
        "Log out there, or give the API a user of its own.",
        later=True,
    ),
    _entry(10225, _REQUEST, "A correction at the exchange ended the live bars.", later=True),
    _entry(10268, _ORDER, "The order carries an old flag (e-trade only).", "Update this program."),
    _entry(
        10269, _ORDER, "The order carries an old flag (firm quote only).", "Update this program."
    ),
    _entry(
        10314, _REQUEST, "A date, time or zone of the request is not valid.", "Update this program."
    ),
    _entry(10349, _WARNING, "TWS set the time in force from its preset; the order lives."),
)

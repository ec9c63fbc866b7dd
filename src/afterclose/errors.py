"""Errors that end a stage. What is wrong with the *data* is a Finding, never an exception.

AfterCloseError                         exit code
├─ UsageError                           2   the command or its input file is wrong
│  └─ ConfigError                       2   settings are missing or contradict each other
├─ DataError                            1   market data cannot be used
│  ├─ StaleBars                         1
│  └─ StoreCorrupt                      1
├─ SourceUnavailable                    3   a data source did not answer
├─ ModelError                           1   the user's strategy raised, or ran out of time
├─ ContractError                        1   a contract cannot be named
├─ BrokerError                          3   the gateway answered with an error
│  ├─ BrokerUnavailable                 3   nobody listens there, or the line broke
│  └─ BrokerTimeout                     3   no answer: *unknown*, never "none"
├─ SafetyError                          4   refused, on purpose
│  ├─ LiveNotAllowed                    4
│  ├─ AccountMismatch                   4
│  ├─ NotApproved                       4
│  ├─ ApprovalVoid                      4
│  ├─ NotPossible                       4   the evening is not where this act begins
│  ├─ RunAlreadySubmitted               4
│  └─ LedgerElsewhere                   4   a copy of the ledger, or another machine writes it
├─ LedgerError                          3   the journal cannot be written: nothing may be sent
└─ Stopped                            130   by the person at the terminal, with Ctrl-C
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the process tells the shell."""

    OK = 0
    BLOCKED = 1
    USAGE = 2
    OUTSIDE_DOWN = 3
    REFUSED = 4
    #: As shells have it for SIGINT.
    STOPPED = 130


class AfterCloseError(Exception):
    """Base of every error of ours. ``hint`` says what to do about it."""

    exit_code: ClassVar[ExitCode] = ExitCode.BLOCKED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(AfterCloseError):
    """The command, or a file given to it, cannot be understood."""

    exit_code = ExitCode.USAGE


class ConfigError(UsageError):
    """Settings are missing, misspelled or contradict each other."""


class DataError(AfterCloseError):
    """Market data cannot be used for tonight."""


class StaleBars(DataError):  # noqa: N818 - named as a trader says it
    """The bars of the session are not there yet."""


class StoreCorrupt(DataError):  # noqa: N818 - named as a trader says it
    """The market store does not read back as it was written."""


class SourceUnavailable(AfterCloseError):  # noqa: N818 - named as a trader says it
    """A data source is down, or answers nothing."""

    exit_code = ExitCode.OUTSIDE_DOWN


class ModelError(AfterCloseError):
    """The user's strategy raised, ran out of time, or returned something unusable."""


class ContractError(AfterCloseError):
    """A contract cannot be named or priced."""


class BrokerError(AfterCloseError):
    """The gateway answered with an error; ``code`` is TWS's own number where there is one."""

    exit_code = ExitCode.OUTSIDE_DOWN

    def __init__(self, message: str, *, hint: str = "", code: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.code = code


class BrokerUnavailable(BrokerError):  # noqa: N818 - named as a trader says it
    """Nobody answers at the gateway's address, or the line broke."""


class BrokerTimeout(BrokerError):  # noqa: N818 - named as a trader says it
    """No answer in time. The truth is unknown; it is not "none"."""


class SafetyError(AfterCloseError):
    """Refused on purpose, before anything left this machine."""

    exit_code = ExitCode.REFUSED


class LiveNotAllowed(SafetyError):  # noqa: N818 - named as a trader says it
    """A live account was met where paper was configured."""


class AccountMismatch(SafetyError):  # noqa: N818 - named as a trader says it
    """The gateway serves another account than the one configured."""


class NotApproved(SafetyError):  # noqa: N818 - named as a trader says it
    """No approval exists for this basket."""


class ApprovalVoid(SafetyError):  # noqa: N818 - named as a trader says it
    """The basket, the audit or the account changed after it was approved."""


class NotPossible(SafetyError):  # noqa: N818 - named as a trader says it
    """The evening is in a state from which this act is not possible."""


class RunAlreadySubmitted(SafetyError):  # noqa: N818 - named as a trader says it
    """Every order of this basket was sent before."""


class LedgerElsewhere(SafetyError):  # noqa: N818 - named as a trader says it
    """This ledger may not be written from here: it is a copy, or another machine holds it."""


class LedgerError(AfterCloseError):
    """The journal cannot be read or written, so nothing may be sent."""

    exit_code = ExitCode.OUTSIDE_DOWN


class Stopped(AfterCloseError):  # noqa: N818 - named as a trader says it
    """The person at the terminal ended the command, with Ctrl-C or at a question."""

    exit_code = ExitCode.STOPPED

    USUAL = "run the same command again: what was done is kept, and nothing is done twice"

    def __init__(self, hint: str = USUAL) -> None:
        super().__init__("stopped by you", hint=hint)

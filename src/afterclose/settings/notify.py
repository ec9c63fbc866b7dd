"""A word to the person: which channels, and of what."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from afterclose.domain.notices import Told
from afterclose.settings.section import Section

#: A channel's name; its address is a secret and stands elsewhere.
ChannelName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,31}$")]


class NotifySettings(Section):
    """Channels by name. Their addresses hold secrets: environment or keyring, never this file."""

    channels: tuple[ChannelName, ...] = ()
    #: Empty: all of it.
    events: tuple[Told, ...] = ()
    #: The report shows positions and the account's value.
    attach_report: bool = False
    #: Where the review page listens, without its token.
    page: str = ""
    timeout_s: float = Field(default=20.0, gt=0)

    @field_validator("channels", mode="before")
    @classmethod
    def _no_secret_in_the_file(cls, given: object) -> object:
        """An address is refused before it could be shown in an error of the pattern."""
        if any("://" in str(name) for name in (given if isinstance(given, list | tuple) else [])):
            raise ValueError(
                "a channel's address is a secret and does not belong in the settings: give the "
                "channel a name, and its address in AFTERCLOSE_CHANNEL_<NAME> or in the keyring"
            )
        return given

    @field_validator("page")
    @classmethod
    def _no_token_in_the_page(cls, given: str) -> str:
        if "?" in given or "#" in given or "@" in given:
            raise ValueError("the page's address must be without its token: scheme, host and port")
        return given

    def wants(self, told: Told) -> bool:
        """Whether the person wants to hear of this."""
        return bool(self.channels) and (not self.events or told in self.events)

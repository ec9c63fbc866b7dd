"""Settings of a desk: flags over environment over local file over file over defaults.

A desk is one folder with ``afterclose.toml`` (and, kept out of version control,
``afterclose.local.toml``). Environment variables are ``AFTERCLOSE_`` plus the section and the key,
``AFTERCLOSE_BROKER__PORT=4002``. Nothing else in the product reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from afterclose.errors import ConfigError
from afterclose.settings.desk import BrokerSettings, DataSettings, DeskSettings, ReviewSettings
from afterclose.settings.models import EngineSettings, ModelSettings
from afterclose.settings.notify import NotifySettings
from afterclose.settings.orders import AuditSettings, BasketSettings, CapitalSource
from afterclose.settings.sending import LimitSettings, SendingSettings
from afterclose.settings.wall import disagreement

SETTINGS_FILE = "afterclose.toml"
LOCAL_FILE = "afterclose.local.toml"
#: A notification channel's address: this, and the channel's name in capitals.
CHANNEL_VARIABLE = "AFTERCLOSE_CHANNEL_"
#: Below the user's home: what his shell exports and a timer does not have, addresses of channels.
ENVIRONMENT_FILE = ".config/afterclose/environment"


class _OfADesk(BaseSettings):
    """Where settings come from: flags, environment, local file, file."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="AFTERCLOSE_", env_nested_delimiter="__"
    )

    home: Path = Path()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: flags, environment, local file, file."""
        home = Path(str(init_settings.init_kwargs.get("home", ".")))  # type: ignore[attr-defined]
        files = (home / LOCAL_FILE, home / SETTINGS_FILE)
        tomls = [_toml(settings_cls, file) for file in files if _is_there(file)]
        return (init_settings, env_settings, *tomls)


class Settings(_OfADesk):
    """All settings of one desk. Frozen; an unknown key is an error, not a guess."""

    desk: DeskSettings = DeskSettings()
    broker: BrokerSettings = BrokerSettings()
    data: DataSettings = DataSettings()
    models: tuple[ModelSettings, ...] = ()
    engine: EngineSettings = EngineSettings()
    basket: BasketSettings = BasketSettings()
    audit: AuditSettings = AuditSettings()
    review: ReviewSettings = ReviewSettings()
    limits: LimitSettings = LimitSettings()
    sending: SendingSettings = SendingSettings()
    notify: NotifySettings = NotifySettings()
    mapping: Path | None = None
    ledger: str = "sqlite:///ledger.sqlite"

    @model_validator(mode="after")
    def _mode_port_and_account_agree(self) -> Self:
        against = disagreement(self.desk, self.broker, self.limits)
        if against:
            raise ValueError(against)
        if self.audit.capital is CapitalSource.FIXED and self.audit.fixed_capital is None:
            raise ValueError("audit.capital is fixed but audit.fixed_capital is not given")
        names = [m.name for m in self.models]
        if len(set(names)) != len(names):
            raise ValueError(f"models: two of them have one name: {', '.join(sorted(names))}")
        return self

    def resolve(self, path: Path) -> Path:
        """Return a path of the settings, relative ones below the desk's folder."""
        return path if path.is_absolute() else self.home / path

    @property
    def runs(self) -> Path:
        """Folder of the run folders."""
        return self.home / "runs"

    @property
    def ledger_url(self) -> str:
        """Database URL; a relative SQLite file lies in the desk's folder."""
        prefix = "sqlite:///"
        if self.ledger.startswith(prefix):
            file = self.resolve(Path(self.ledger.removeprefix(prefix)))
            return prefix + file.resolve().as_posix()
        return self.ledger


def _is_there(path: Path) -> bool:
    """Whether a file is to be read. One that is there and cannot be is no file left out.

    Raises ConfigError with what the machine says against it.
    """
    try:
        if not path.exists():
            return False
        path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror or error}",
            hint="put the settings file back in its place, and let the user who runs the evening "
            "read it",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is no UTF-8 text: byte {error.start + 1} is none",
            hint="save it as UTF-8, as an editor calls it",
        ) from error
    return True


def _toml(settings_cls: type[BaseSettings], path: Path) -> TomlConfigSettingsSource:
    try:
        return TomlConfigSettingsSource(settings_cls, path)
    except ValueError as error:
        raise ConfigError(
            f"{path} is not valid TOML: {error}", hint="correct the line it names"
        ) from error


def _refuse_unknown_variables() -> None:
    """A misspelled section in the environment would otherwise be passed over in silence."""
    sections = {name.upper() for name in Settings.model_fields}
    for variable in sorted(os.environ):  # noqa: TID251 - the one place
        if variable.upper().startswith(CHANNEL_VARIABLE):
            continue  # a channel's name may have two underscores, too
        section, nested, _ = variable.upper().removeprefix("AFTERCLOSE_").partition("__")
        if variable.upper().startswith("AFTERCLOSE_") and nested and section not in sections:
            raise ConfigError(
                f"the environment variable {variable} names no setting",
                hint=f"sections are {', '.join(sorted(sections))}; or unset it",
            )


def load(home: Path, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings of a desk. Raises ConfigError with every mistake and where it is."""
    _refuse_unknown_variables()
    try:
        return Settings(home=home, **dict(overrides or {}))
    except ValidationError as error:
        lines = [_mistake(e) for e in error.errors()]
        raise ConfigError(
            "the settings are not usable:\n  " + "\n  ".join(lines),
            hint=f"correct them in {home / SETTINGS_FILE}, in AFTERCLOSE_… or in the flags",
        ) from error
    except SettingsError as error:  # a variable that should hold JSON and does not
        raise ConfigError(
            f"an AFTERCLOSE_… variable cannot be read: {error}",
            hint="write lists and tables of the environment as JSON",
        ) from error


class _Channels(_OfADesk):
    """Of the settings the channels alone: what is wrong elsewhere is passed over."""

    model_config = SettingsConfigDict(extra="ignore")

    notify: NotifySettings = NotifySettings()


def who_is_told(home: Path) -> Settings:
    """Return nothing but whom to tell, where ``load`` refused the settings. Never raises.

    Where not even that can be read, it is every channel whose address is in the environment.
    """
    try:
        there = _is_there(home / SETTINGS_FILE)
        notify = _Channels(home=home).notify if there else _every_channel()
    except (ConfigError, ValidationError, SettingsError):
        notify = _every_channel()
    return Settings.model_construct(home=home, notify=notify)


def _every_channel() -> NotifySettings:
    """Return the channels whose address is in the environment."""
    known = (v for v in sorted(os.environ) if v.startswith(CHANNEL_VARIABLE))  # noqa: TID251 - the one place
    names = tuple(v.removeprefix(CHANNEL_VARIABLE).lower() for v in known)
    return NotifySettings.model_construct(channels=names)


def _mistake(error: ErrorDetails) -> str:
    """Say what is wrong with one setting, and which one may have been meant."""
    place = tuple(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        near = get_close_matches(place[-1], _names_in(place[:-1]), n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        return f"{'.'.join(place)}: there is no such setting{meant}"
    said = error["msg"].removeprefix("Value error, ")
    return f"{'.'.join(place)}: {said}" if place else said


def _names_in(section: Sequence[str]) -> Sequence[str]:
    """Names of the settings of a section; of a list of tables, those of one of them."""
    fields = Settings.model_fields
    for part in section:
        if part.isdecimal():
            continue
        inner = fields[part].annotation if part in fields else None
        models = [inner, *get_args(inner)]
        found = next(
            (m for m in models if isinstance(m, type) and hasattr(m, "model_fields")), None
        )
        if found is None:
            return ()
        fields = found.model_fields
    return tuple(fields)


def scheduled_channel(name: str) -> bool:
    """Whether the file that scheduled evenings read gives a channel's address."""
    try:
        text = (Path.home() / ENVIRONMENT_FILE).read_text(encoding="utf-8", errors="replace")
    except (OSError, RuntimeError):  # no such file, or no home
        return False
    variable = f"{CHANNEL_VARIABLE}{name.upper()}="
    return any(
        line.strip().removeprefix("export ").startswith(variable) for line in text.split("\n")
    )


def channel_address(name: str) -> str | None:
    """Address of a notification channel in the environment; it is a secret. None: not there."""
    return os.environ.get(f"{CHANNEL_VARIABLE}{name.upper()}") or None  # noqa: TID251 - the one place

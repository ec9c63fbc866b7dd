"""Settings of a desk, a module for each part; ``load`` reads them."""

from afterclose.settings.desk import (
    BrokerSettings,
    DataSettings,
    DataSource,
    DeskSettings,
    ReviewSettings,
)
from afterclose.settings.load import (
    CHANNEL_VARIABLE,
    ENVIRONMENT_FILE,
    LOCAL_FILE,
    SETTINGS_FILE,
    Settings,
    channel_address,
    load,
    scheduled_channel,
    who_is_told,
)
from afterclose.settings.models import EngineSettings, ModelSettings
from afterclose.settings.notify import NotifySettings
from afterclose.settings.orders import (
    AuditSettings,
    BasketSettings,
    CapitalSource,
    CheckMapping,
    SizeRule,
    Weight,
)
from afterclose.settings.sending import LimitSettings, SendingSettings
from afterclose.settings.wall import LIVE_ACCOUNT, LIVE_PORTS, PAPER_ACCOUNT, PAPER_PORTS

__all__ = [
    "CHANNEL_VARIABLE",
    "ENVIRONMENT_FILE",
    "LIVE_ACCOUNT",
    "LIVE_PORTS",
    "LOCAL_FILE",
    "PAPER_ACCOUNT",
    "PAPER_PORTS",
    "SETTINGS_FILE",
    "AuditSettings",
    "BasketSettings",
    "BrokerSettings",
    "CapitalSource",
    "CheckMapping",
    "DataSettings",
    "DataSource",
    "DeskSettings",
    "EngineSettings",
    "LimitSettings",
    "ModelSettings",
    "NotifySettings",
    "ReviewSettings",
    "SendingSettings",
    "Settings",
    "SizeRule",
    "Weight",
    "channel_address",
    "load",
    "scheduled_channel",
    "who_is_told",
]

"""What every section of the settings shares."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[Decimal, Field(gt=0, le=1)]


class Section(BaseModel):
    """A table of the settings file: frozen; an unknown key is an error, not a guess."""

    model_config = ConfigDict(frozen=True, extra="forbid")

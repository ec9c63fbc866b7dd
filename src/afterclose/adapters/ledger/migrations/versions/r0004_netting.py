"""Rows that go to the market in an order of several, and what crossed inside the desk."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "carried",
        sa.Column("net_ref", sa.String(40), primary_key=True),
        sa.Column("order_ref", sa.String(40), primary_key=True, index=True),
        sa.Column("quantity", sa.Integer, nullable=False),
    )
    op.create_table(
        "transfers",
        sa.Column("bought_ref", sa.String(40), primary_key=True),
        sa.Column("sold_ref", sa.String(40), primary_key=True),
        sa.Column("run_id", sa.String(40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("session", sa.Date, nullable=False, index=True),
        sa.Column("payload", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Facts are never taken back."""
    raise NotImplementedError("what was recorded stays")

"""The tables as they were before steps were counted; made where they are missing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _baseline() -> sa.MetaData:
    metadata = sa.MetaData()
    sa.Table(
        "orders",
        metadata,
        sa.Column("order_ref", sa.String(40), primary_key=True),
        sa.Column("run_id", sa.String(40), nullable=False),
        sa.Column("session", sa.Date, nullable=False, index=True),
        sa.Column("account", sa.String(20), nullable=False),
        sa.Column("model", sa.String(8), nullable=False),
        sa.Column("contract", sa.String(16), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
    )
    sa.Table(
        "order_events",
        metadata,
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.String(40), nullable=False),
        sa.Column("order_ref", sa.String(40), nullable=False, index=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
    )
    sa.Table(
        "adoptions",
        metadata,
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model", sa.String(8), nullable=False),
        sa.Column("contract", sa.String(16), nullable=False),
        sa.Column("root", sa.String(8), nullable=False),
        sa.Column("contract_month", sa.String(6), nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Index("adoptions_by_model", "model", "contract"),
    )
    sa.Table(
        "approvals",
        metadata,
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.String(40), nullable=False, index=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
    )
    sa.Table(
        "parts",
        metadata,
        sa.Column("order_ref", sa.String(40), primary_key=True),
        sa.Column("model", sa.String(8), primary_key=True),
        sa.Column("quantity", sa.Integer, nullable=False),
    )
    sa.Table(
        "halts",
        metadata,
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(80), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("lifted", sa.Boolean, nullable=False),
    )
    return metadata


def upgrade() -> None:
    """Make what is not there."""
    _baseline().create_all(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    """There is nothing before this."""
    raise NotImplementedError("a ledger has no shape before its first")

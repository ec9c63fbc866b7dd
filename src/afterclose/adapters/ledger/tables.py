"""Tables of the ledger. Rows are only ever added; the payload is the whole value as JSON.

The columns beside the payload exist to be searched by; the payload is the truth.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

#: What each order reference means: one row per reference, written before the order is sent.
orders = Table(
    "orders",
    metadata,
    Column("order_ref", String(40), primary_key=True),
    Column("run_id", String(40), nullable=False),
    Column("session", Date, nullable=False, index=True),
    Column("account", String(20), nullable=False),
    Column("model", String(8), nullable=False),
    Column("contract", String(16), nullable=False),
    Column("payload", Text, nullable=False),
)

#: Everything seen of an order, in the order it was seen.
order_events = Table(
    "order_events",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String(40), nullable=False),
    Column("order_ref", String(40), nullable=False, index=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("payload", Text, nullable=False),
)

#: Positions that a model took over without an order: at inception, or by a person's word.
adoptions = Table(
    "adoptions",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("model", String(8), nullable=False),
    Column("contract", String(16), nullable=False),
    Column("root", String(8), nullable=False),
    Column("contract_month", String(6), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("note", Text, nullable=False),
    Index("adoptions_by_model", "model", "contract"),
)

#: Approvals and rejections.
approvals = Table(
    "approvals",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String(40), nullable=False, index=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("payload", Text, nullable=False),
)

#: Whose position an order of the whole desk closes: signed contracts per model, written with it.
parts = Table(
    "parts",
    metadata,
    Column("order_ref", String(40), primary_key=True),
    Column("model", String(8), primary_key=True),
    Column("quantity", Integer, nullable=False),
)

#: A person's word that nothing may leave this desk, and the word that lifts it.
halts = Table(
    "halts",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("by", String(80), nullable=False),
    Column("reason", Text, nullable=False),
    Column("lifted", Boolean, nullable=False),
)

#: Where this ledger lives, when it is a file: a copy is found somewhere else.
homes = Table(
    "homes",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("machine", String(80), nullable=False),
    Column("name", String(80), nullable=False),
    Column("path", Text, nullable=False),
    Column("file_id", String(40), nullable=False),
    Column("by", String(80), nullable=False),
    Column("note", Text, nullable=False),
)

#: Who writes now, and until when: the one row of the ledger that changes. It is no fact of an
#: evening, and its token grows whenever the ledger passes to another.
lease = Table(
    "lease",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("token", Integer, nullable=False),
    Column("holder", Text, nullable=False),
    Column("name", String(80), nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
)

#: A person has seen what changed in a model's past. ``digest`` names exactly those changes.
acknowledgements = Table(
    "acknowledgements",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("model", String(8), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("by", String(80), nullable=False),
    Column("reason", Text, nullable=False),
    Index("acknowledgements_by_digest", "model", "digest"),
)

#: Which rows an order for several models carries, and how much of each, signed.
carried = Table(
    "carried",
    metadata,
    Column("net_ref", String(40), primary_key=True),
    Column("order_ref", String(40), primary_key=True, index=True),
    Column("quantity", Integer, nullable=False),
)

#: What one row bought of another inside the desk. Two rows cross once.
transfers = Table(
    "transfers",
    metadata,
    Column("bought_ref", String(40), primary_key=True),
    Column("sold_ref", String(40), primary_key=True),
    Column("run_id", String(40), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("session", Date, nullable=False, index=True),
    Column("payload", Text, nullable=False),
)

#: Where the account's value stood, by the gateway: once for each time it was looked at.
nav = Table(
    "nav",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("account", String(20), nullable=False),
    Column("session", Date, nullable=False, index=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("payload", Text, nullable=False),
)

#: Money that a person put into the account or took out, by his word.
cash_flows = Table(
    "cash_flows",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("amount", String(40), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("by", String(80), nullable=False),
    Column("note", Text, nullable=False),
)

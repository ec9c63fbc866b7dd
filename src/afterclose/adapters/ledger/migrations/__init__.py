"""Steps by which the ledger came to its shape; see ``versions``."""

"""The ledger: what must outlive a run, in one SQL database."""

"""The review page: an evening in the browser of this machine, to be decided on and watched.

Start in ``app.py``. Nothing here decides anything about orders: every act is one of ``nightly``,
on a desk that ``bootstrap`` made. Whatever the page shows is read from the run folder and the
ledger, so that a reload, a second tab and a restart show the same.
"""

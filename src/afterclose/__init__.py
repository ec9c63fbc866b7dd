"""afterclose: from a Zipline futures backtest to Interactive Brokers, every evening, without fear.

Start reading in ``nightly.py``.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("afterclose")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0.0.0+source"

__all__ = ["__version__"]

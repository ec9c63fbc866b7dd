"""Market data: the store of exact daily bars, and the sources that fill it."""

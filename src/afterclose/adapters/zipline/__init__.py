"""The engine: unforked Zipline on the market store, in a process of its own.

Start in ``runner`` (this side of the process border) or ``engine`` (the other side). Importing the
package itself, or ``runner``, does not import Zipline.
"""

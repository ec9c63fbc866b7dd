"""What a person sees of an evening: one HTML file, the audit tables as CSV, a workbook.

Start in ``evening.py`` (everything the page shows is one value) and ``render.py``.
"""

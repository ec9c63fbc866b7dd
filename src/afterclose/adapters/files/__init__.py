"""The files a trader works with: contract table, mapping workbook, transactions, baskets."""

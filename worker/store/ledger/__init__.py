"""Daily totals, spend reports, balances and retention."""

"""Money: prices, rates, and the books of what pods have cost."""

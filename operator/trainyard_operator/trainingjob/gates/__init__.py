"""What must hold before a start: model, price, ledger. Pure."""

"""The training loop that families without a trainer of their own share."""

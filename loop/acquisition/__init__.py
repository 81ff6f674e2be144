"""The acquisition: what a candidate is worth."""

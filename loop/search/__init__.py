"""The search: where a candidate is worth most."""

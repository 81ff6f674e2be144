"""The world: one file per kind of oracle, strangers to one another."""

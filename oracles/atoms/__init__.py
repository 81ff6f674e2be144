"""Structures evaluated by any ASE calculator: builders, properties, checks, and a process each."""

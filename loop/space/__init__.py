"""The search space: what may be varied, what is forbidden, and the border to numbers."""

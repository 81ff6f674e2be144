"""Thought: what is asked, what is known, what to try next. Knows no simulator and no scheduler."""

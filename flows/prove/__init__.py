"""The proof: a campaign that is really killed, again and again, and what must be true after it."""

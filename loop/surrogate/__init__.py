"""The surrogate: what each target would be anywhere, and how sure that is."""

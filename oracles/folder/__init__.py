"""The laboratory: a worklist goes out, result files come in, days apart and in any state."""

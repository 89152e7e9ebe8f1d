"""Training data that is written by a grammar, and the recipes that tune on it."""

"""Feeds in: one file per format, each a function from an open file to products and rejects."""

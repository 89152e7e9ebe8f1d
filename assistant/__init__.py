"""One conversation, from a shopper's words to explained picks."""

__version__ = "0.1.0"

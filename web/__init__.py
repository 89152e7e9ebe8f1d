"""The widget that shoppers see, and the HTTP API behind it."""

"""Whom a shop may write to, about what, and in which words; nothing in here sends anything."""

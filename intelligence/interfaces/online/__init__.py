"""Decisions over HTTP: ask about an event, and read what the stream knows and decided."""

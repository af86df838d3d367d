"""The doors for people and programs, one package each, thin over the same services.

This is the only part of `intelligence` that may reach outward; nothing imports it.
"""

"""The interfaces for people and programs, one package each, as thin layers over the same services.

This is the only part of `intelligence` that may import `resources` and `assets`; nothing imports it. What is computed or
decided belongs to services and layers, not here.
"""

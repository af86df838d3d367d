"""The relational store of operational state: what many small transactions add to, its tables and how it is opened.

What a row means belongs to the room that writes it; what is computed from events belongs to the lake.
"""

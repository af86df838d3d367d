"""The relational store for operational state, which changes in many small transactions: its tables and how it is opened.

What a row means belongs to the package that writes it; everything that is computed from events belongs to the lake.
"""

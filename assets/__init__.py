"""Dagster assets: where and when each table is computed, one module per layer; `definitions.py` contains the whole graph.

An asset reads, calls one service or pure function, and returns a result with metadata and checks. What is computed
belongs to `intelligence`, access to stores and other systems to `resources`.
"""

"""Sensors and schedules: they read the state, decide by a function of `intelligence` or a service, and request a run.

What a run computes belongs to `assets`; the rules by which runs are requested, to `assets/graph/requests.py`.
"""

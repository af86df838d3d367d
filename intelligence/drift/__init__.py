"""Drift: whether recent data still looks like the data that a champion was trained on, and when that calls for a retraining.

Baselines, distances, daily verdicts, episodes of drift and the texts of their pages belong here, as functions of frames and
values. Training and scoring belong to `intelligence.risk`; drawing Evidently's pages, reading the lake and requesting runs
belong to `resources`, `assets` and `sensors`.
"""

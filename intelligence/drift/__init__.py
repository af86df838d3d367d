"""Drift: whether the world still looks like the one that the champion was trained on, and what then has to be done."""

"""Building blocks of every layer: tables, errors, SQL as text, strict YAML, plots, covariates, harmless output, planted truths.

A module belongs here when layers that do not import one another need it. Nothing here imports a layer or depends on one
product's settings.
"""

"""Experiments: whether a change caused a difference between the arms of an experiment, how large it is, and how sure that is.

Here belong the declaration of experiments, their metrics, the moments that add up over days, inference on moments, health
before results, the verdict, uplift and planning. What users did belongs in `metrics`; what is done about a verdict in `decisions`.

`intelligence.experiments.analysis` analyses any frame with one row per user, without the tables of a product. Modules are
imported by name, since `settings` is read by every process and the others load numpy, polars and tea-tasting.
"""

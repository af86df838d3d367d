"""Causality: did this feature, release or change have an effect, how large is it, and how sure is that?

Evidence grades, declared causal graphs, target trials, adjusted and natural-experiment estimates with their refutations,
decompositions of a metric's change and the record of the estimators belong here, as functions of frames and values. Randomised
experiments belong to `experiments`; what is done with a claim belongs to `intelligence.decisions`; reading the lake belongs to
`resources`.
"""

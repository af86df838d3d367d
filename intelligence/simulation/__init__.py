"""The simulated product: a seeded stream of events with truths planted in it, day by day and in any order.

It is no layer: no table of the lake is made by it, and no layer knows that there is one.
"""

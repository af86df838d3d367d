"""The simulated product: a seeded stream of events with planted truths, made day by day and in any order.

Here belong the plan of a simulation, its users, features, visits and events, and what is planted in them. It is not a
layer: it creates no table of the lake, and no layer imports it.
"""

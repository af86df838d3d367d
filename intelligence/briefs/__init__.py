"""Briefs: what happened, why, what comes next and what was done, in sentences whose every number is a fact.

Belongs here: what may be said (facts), how it is told (sentences, briefs, drafts, answers to questions), and the check of a text that
somebody else has written against the facts. Does not belong here: computing anything that a table of an earlier layer does not hold.
"""

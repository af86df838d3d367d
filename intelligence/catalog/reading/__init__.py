"""What each page of the read model says: the queries of a page, and the function that turns their rows into sentences and parts.

Nothing here reads or writes; `resources/services/reading.py` does, in one snapshot for each page. What the summary in a terminal says
too is said by the same functions, in `intelligence/briefs/morning.py` and next to the metrics.
"""

"""The dashboard: pages for people who decide, over the read model, served by `intelligence up`.

Here belong the layout of pages, charts, links and filters. What a page says and every number on it come from
`resources/services/reading.py`; nothing here queries the lake. The dashboard reads; the one exception is a person's word on an action
that waits for it, which goes through the outbox as `intelligence approve` does.
"""

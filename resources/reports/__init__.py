"""Pages for people, as files: Evidently's pages made offline, written whole or not at all, with an index beside them.

What a page says belongs to `intelligence.drift`; the server that shows it belongs to processes.
"""

"""Reports as files: Evidently's pages, rendered without network access, each written completely or not at all.

The content of a page belongs to `intelligence.drift`; the server that shows it belongs to `resources.processes`.
"""

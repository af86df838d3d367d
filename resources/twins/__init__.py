"""Local twins of the services to which actions go: as strict as those, and readable on one page.

They know nothing of the platform that calls them; the server that shows them belongs to processes.
"""

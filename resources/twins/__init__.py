"""Local twins of the services to which actions are sent: as strict as those services, and shown on one page.

They know nothing of the platform that calls them; the server that shows them belongs to `processes`.
"""

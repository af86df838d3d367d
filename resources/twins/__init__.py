"""Local twins of the services to which actions go: as strict as those, and readable on one page."""

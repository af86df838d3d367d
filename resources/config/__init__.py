"""What every other room may use: the environment, resources that no run can set, this process, faults and broken stores.

Something belongs here when rooms that know nothing of one another need it. What needs another room, or only one, does not.
"""

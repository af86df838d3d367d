"""The outbox: every planned action, where it stands, who may deliver, and exactly one effect whatever happens meanwhile.

What a target does with an action belongs to targets and flags; which of them are connected, to messages.
"""

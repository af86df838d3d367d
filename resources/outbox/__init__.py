"""The outbox: every planned action, its standing, who may deliver it, and exactly one effect whatever fails meanwhile.

What a target does with an action belongs to `targets` and `flags`; which of them are connected, to `messages`.
"""

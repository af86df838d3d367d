"""The one guard before every port that is opened, and the applications behind it that are the platform's own.

What they show belongs to the other rooms. No port is opened anywhere else.
"""

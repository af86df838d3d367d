"""The one guard in front of every port that is opened, and the platform's own applications behind it.

The data that these applications show belongs to the other packages. No port is opened anywhere else.
"""

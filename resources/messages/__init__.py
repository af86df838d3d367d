"""What the platform says and does outside, opened whole: the outbox, the flags and the targets that product.yaml names.

This room composes others and tells people something once. What is to be told is decided by services and sensors.
"""

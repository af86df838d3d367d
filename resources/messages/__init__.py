"""Messages and actions to the outside: the outbox, the flags and the targets that product.yaml names, opened together.

This package composes the others and sends people each message once. The services and sensors decide what the messages
say.
"""

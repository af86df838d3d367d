"""Language models behind a server that speaks OpenAI's chat protocol: one call, a reply in a given shape, replies kept by content.

Nothing is called unless a person gives an address. What is asked, and what a reply means, belongs to the services that ask.
"""

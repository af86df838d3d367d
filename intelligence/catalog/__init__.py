"""What composes the layers: `product.yaml` with the sections of all of them, their tables in order, and what they say together.

What concerns one layer belongs there; no layer imports anything of this.
"""

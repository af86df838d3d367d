"""What combines the layers: `product.yaml` with the sections of all of them, their tables in order, and the common summary.

Whatever concerns a single layer belongs in the package of that layer; no layer imports anything from here.
"""

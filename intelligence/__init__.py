"""What is true: pure functions from frames and values to frames and values, and the SQL of every layer.

`core` is below all layers, `simulation` and `catalog` are above them, and `interfaces` alone reaches outward.
"""

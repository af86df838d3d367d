"""What any layer may use: tables, errors, SQL as text, strict YAML, pictures, foreign text made harmless, planted truths.

Something belongs here when layers that know nothing of one another need it. It knows no layer and no product.
"""

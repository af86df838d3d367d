"""Access to the lake, its schema and maintenance, and the record of what each day of each table was built from.

How delivered files become events belongs to `resources.intake`; what a table means and contains belongs to `intelligence`.
"""

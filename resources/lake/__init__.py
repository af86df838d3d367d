"""The lake: the one door to it, its schema and upkeep, and what each day of each table was built from.

How delivered files become events belongs to intake; what a table means and holds belongs to `intelligence`.
"""

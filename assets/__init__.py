"""Where and when it is computed: thin Dagster assets, one module per layer; `definitions.py` sees the whole graph."""

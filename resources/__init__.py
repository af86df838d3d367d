"""How the outside is touched: the lake, delivered files, settings. May import `intelligence`, Dagster and clients."""

"""How the outside is touched, in rooms; may import `intelligence`, Dagster and the clients of what is touched.

A room imports only the rooms on floors below its own, as the contract of layers in `pyproject.toml` has them; `platform.py`
alone composes all of them for one product.
"""

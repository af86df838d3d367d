"""The models in MLflow: their versions, the alias `champion` with its history, and the verified local copies to score with.

How a model is trained and evaluated belongs to `intelligence.risk`; when that happens, to `resources.services.models`.
"""

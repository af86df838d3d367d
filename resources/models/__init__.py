"""The models in MLflow: versions, the alias `champion`, its history, and the checked copy to score with.

How a model is trained and judged belongs to `intelligence.risk`; when, to the service of models.
"""

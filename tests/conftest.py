"""What holds for every test."""

from resources.mlflow_store import quiet_environment

quiet_environment()

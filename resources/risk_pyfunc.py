"""A risk model as MLflow loads it: this file and the model's own two files, which hold no pickle.

MLflow keeps a copy of this file with every version, so it imports nothing of the platform.
"""

import json
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd


class RiskPyfunc(mlflow.pyfunc.PythonModel):
    """Calibrated probabilities, equal bit for bit to those of `intelligence.risk.model.RiskModel`."""

    def load_context(self, context):
        """Read the model's files."""
        content = json.loads(Path(context.artifacts["model.json"]).read_text())
        self.predictors = list(content["predictors"])
        self.calibration = content["calibration"]
        self.linear = content["linear"]
        if self.linear is None:
            import xgboost

            self.booster = xgboost.Booster({"nthread": 2})
            self.booster.load_model(context.artifacts["booster.ubj"])

    def predict(self, context, model_input: pd.DataFrame, params=None) -> np.ndarray:  # noqa: ARG002 - MLflow's signature
        """Return the probability of each row; columns are found by name, in whatever order they come."""
        values = np.ascontiguousarray(model_input[self.predictors].to_numpy(dtype=np.float64, na_value=np.nan))
        values = np.where(np.abs(values) <= np.finfo(np.float32).max, values, np.nan)
        logits = self.calibration["slope"] * self._logits(values) + self.calibration["intercept"]
        return 0.5 * (1.0 + np.tanh(0.5 * logits))

    def _logits(self, values):
        if self.linear is not None:
            part = {name: np.array(value) for name, value in self.linear.items()}
            filled = np.where(np.isnan(values), part["medians"], values)
            deviations = np.clip((filled - part["means"]) / part["scales"], -5.0, 5.0)
            return deviations @ part["weights"] + self.linear["intercept"]
        import xgboost

        matrix = xgboost.DMatrix(values, feature_names=self.predictors, nthread=2)
        return self.booster.predict(matrix, output_margin=True).astype(np.float64)


mlflow.models.set_model(RiskPyfunc())

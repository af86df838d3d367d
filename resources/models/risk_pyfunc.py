"""A risk model as MLflow loads it: from this file and the model's own two files, without pickle.

MLflow stores a copy of this file with every version, so it imports nothing of the platform.
"""

import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc.model import PythonModel, PythonModelContext


class RiskPyfunc(PythonModel):
    """Returns calibrated probabilities, equal bit for bit to those of `intelligence.risk.model.RiskModel`."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model's files."""
        content = json.loads(Path(context.artifacts["model.json"]).read_text())
        self.predictors = list(content["predictors"])
        self.calibration = content["calibration"]
        self.linear = content["linear"]
        if self.linear is None:
            import xgboost

            self.booster = xgboost.Booster({"nthread": 2})
            self.booster.load_model(context.artifacts["booster.ubj"])

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> np.ndarray:
        """Return the probability of each row.

        Args:
            context: MLflow's context of the loaded model, which is not used.
            model_input: One row per feature and day, or user and day, with the predictors as columns in any order.
            params: MLflow's inference parameters, which are not used.
        """
        values = np.ascontiguousarray(model_input[self.predictors].to_numpy(dtype=np.float64, na_value=np.nan))
        values = np.where(np.abs(values) <= np.finfo(np.float32).max, values, np.nan)
        logits: np.ndarray = self.calibration["slope"] * self._logits(values) + self.calibration["intercept"]
        probabilities: np.ndarray = 0.5 * (1.0 + np.tanh(0.5 * logits))
        return probabilities

    def _logits(self, values: np.ndarray) -> np.ndarray:
        if self.linear is not None:
            part = {name: np.array(value) for name, value in self.linear.items()}
            filled = np.where(np.isnan(values), part["medians"], values)
            deviations = np.clip((filled - part["means"]) / part["scales"], -5.0, 5.0)
            linear: np.ndarray = deviations @ part["weights"] + self.linear["intercept"]
            return linear
        import xgboost

        matrix = xgboost.DMatrix(values, feature_names=self.predictors, nthread=2)
        logits: np.ndarray = self.booster.predict(matrix, output_margin=True).astype(np.float64)
        return logits


mlflow.models.set_model(RiskPyfunc())

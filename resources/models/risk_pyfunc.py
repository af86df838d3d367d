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
        self.linear, self.network = content["linear"], content.get("network")
        if self.linear is None and self.network is None:
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
        if self.network is not None:
            return self._network_logits(values)
        import xgboost

        matrix = xgboost.DMatrix(values, feature_names=self.predictors, nthread=2)
        logits: np.ndarray = self.booster.predict(matrix, output_margin=True).astype(np.float64)
        return logits

    def _network_logits(self, values: np.ndarray) -> np.ndarray:
        part = {name: np.array(self.network[name]) for name in ("medians", "means", "scales")}
        filled = np.where(np.isnan(values), part["medians"], values)
        deviations = np.clip((filled - part["means"]) / part["scales"], -5.0, 5.0)
        present = np.hstack([deviations, np.isnan(values[:, self.network["gaps"]]).astype(np.float64)])
        *hidden, last = self.network["layers"]
        for layer in hidden:
            present = np.tanh(present @ np.array(layer["weights"]) + np.array(layer["biases"]))
        logits: np.ndarray = (present @ np.array(last["weights"]) + np.array(last["biases"]))[:, 0]
        return logits


mlflow.models.set_model(RiskPyfunc())

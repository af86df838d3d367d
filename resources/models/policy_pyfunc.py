"""A learned policy for entities as MLflow loads it: from this file and the policy's own file, without pickle.

MLflow stores a copy of this file with every version, so it imports nothing of the platform.
"""

import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc.model import PythonModel, PythonModelContext

CODES = {"allow": 0.0, "throttle": 1.0}


class PolicyPyfunc(PythonModel):
    """Returns 0 where it lets through, 1 where it throttles and NaN where the score decides, as `EntityPolicy.answers`."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the policy's file."""
        content = json.loads(Path(context.artifacts["policy.json"]).read_text())
        self.predictors, self.leaves = list(content["predictors"]), list(content["leaves"])

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> np.ndarray:
        """Return the answer to each row.

        Args:
            context: MLflow's context of the loaded model, which is not used.
            model_input: One row per decision, with the predictors as columns in any order.
            params: MLflow's inference parameters, which are not used.
        """
        values = model_input[self.predictors].to_numpy(dtype=np.float64, na_value=np.nan)
        values = np.where(np.abs(values) <= 1e12, values, -1.0)
        found = np.full(len(values), np.nan)
        for leaf in self.leaves:
            fits = np.ones(len(values), dtype=bool)
            for name, above, limit in leaf["where"]:
                fits &= (values[:, self.predictors.index(name)] > limit) == above
            found[fits] = CODES.get(leaf["answer"], np.nan)
        return found


mlflow.models.set_model(PolicyPyfunc())

"""A champion that scores entities by their errors, and the policy under which its scores count."""

from intelligence.risk.model import Linear, Platt, RiskModel
from resources.models.registry import Registry
from resources.online.champion import ENTITY_RISK
from tests.programs.models import LOGGED

SCORED = """
decisions:
  entities: {level: auto, throttle: 0.4, block: 0.9, fallback: allow}
"""


def by_errors(weight: float, predictor: str = "errors_5m") -> RiskModel:
    linear = Linear((0.0,), (0.0,), (1.0,), (weight,), -2.0)
    return RiskModel("logistic_regression", (predictor,), Platt(1.0, 0.0, ((1.0, -0.1), (1.0, 0.1))), linear)


def champion(registry: Registry, model: RiskModel) -> str:
    version = registry.registered(ENTITY_RISK, model, logged=LOGGED, tags={}).version
    registry.promoted(ENTITY_RISK, version, actor="test", cause="test", reason="test")
    return version

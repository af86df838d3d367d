"""Promotes a version, or notices a move, as another process does: `promote.py <folder> promote <version>`."""

import sys
from pathlib import Path

from tests.programs.models import registry_in

registry = registry_in(Path(sys.argv[1]))
if sys.argv[2] == "promote":
    registry.promoted("feature_risk", sys.argv[3], actor="gate", cause="verdict", reason="it is better", run_id="r1")
else:
    print(registry.noticed("feature_risk"))

"""The story of a decision, from the flag to the raw rows."""

import pytest

from intelligence.core.errors import ActionError
from intelligence.decisions.tables import FEATURE_DECISIONS
from tests.assets.site import Site, of_quiz


def test_the_story_of_a_decision_goes_from_the_flag_to_the_raw_rows(site: Site) -> None:
    decision = of_quiz(site.decide())
    site.act()
    story = site.platform.explanations.story_of("quiz")
    assert story["decision"]["decision_id"] == decision["decision_id"]
    assert story == site.platform.explanations.story_of(decision["decision_id"][:10])
    assert {each["target"] for each in story["actions"]} == {"flags", "slack"}
    assert [line.event for line in story["history"]][:2] == ["planned", "approved"]
    assert {"lake snapshot", "policy", "risk model", "flag"} <= {name for name, _ in story["origin"]}
    assert story["earlier"] is None
    for nobody in ("nobody", ""):
        with pytest.raises(ActionError, match="no such decision"):
            site.platform.explanations.story_of(nobody)
    twin = f"INSERT INTO {FEATURE_DECISIONS.path} BY NAME SELECT * REPLACE (decision_id || 'x' AS decision_id,"
    later = f"{twin} event_date + 1 AS event_date, 'monitor' AS action) FROM {FEATURE_DECISIONS.path} WHERE feature = 'quiz'"
    site.lake.commit(lambda connection: connection.execute(later))
    with pytest.raises(ActionError, match="several decisions begin so"):
        site.platform.explanations.story_of(decision["decision_id"][:10])
    assert site.platform.explanations.story_of("quiz")["earlier"]["decision_id"] == decision["decision_id"]

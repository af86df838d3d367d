"""Every word that a rule of questions takes is an argument of the plan, or one of those below that choose nothing there."""

from datetime import date
from typing import Any

import pytest

from intelligence.briefs import asking, question
from intelligence.briefs.question import PLAIN, Plan, Vocabulary
from intelligence.briefs.question_rules import CHANGING, METRIC_WORDS

KNOWN = Vocabulary(date(2026, 8, 1), ("quiz",), ("digest",), ("teacher",))
# A question of each tool, of all and of one, with the words that may stand beside it, as they choose none of what is told: they ask
# for what each answer says, or name what it is about.
DECIDED = "decisions decision decided decide proposed propose recommended recommend"
WEEK = "within a week|within the next week|next week|next|of degrading|degrade|degrading|most|likely|which"
SILENT = {
    "experiments": "experiments|experiment|a/b test|test|tests|variant|verdict|effect|result|results|outcome|lift|stand|standing|which",
    "experiments running": "experiments|experiment|a/b test|test|tests|variant|which",
    "digest": "experiments|experiment|a/b test|test|tests|variant|verdict|effect|result|results|outcome|lift|stand|standing|which"
    # Of one experiment its verdict is told, whatever it is.
    "|ship|shipped|work|worked|end|ended|roll back|healthy|keep|decided|running|run",
    "decisions": f"{DECIDED.replace(' ', '|')}|done|policy|platform|which|actions|feature|features",
    "decisions quiz": f"{DECIDED.replace(' ', '|')}|roll back|rollback|throttle|action|policy|platform|which|actions",
    "funnels": "funnels|funnel|lose users|losing users|lost|drop off|widest drop|lose|which step|which steps|which funnel|step|steps"
    "|where|most users|most people|users|people",
    "retention": "retention|retained|stay|stays|come back|coming back|newcomers|cohorts|cohort|four weeks later|after four weeks"
    "|new users|new people|users|people|who|rate",
    "unusual": "unusual|anomalies|anomaly|strange|incidents|incident|wrong|happened|happening|news|open|anything|something|going on|which",
    "telemetry": "telemetry|data quality|data|pipeline|whole|complete|sound|at fault|faulty|partial|missing|ok|trusted|trust|quality|fault",
    "risk": f"likely to degrade|likeliest to degrade|risk of degrading|will degrade|degrade next|risk|{WEEK}|feature|features",
    "risk quiz": f"likely to degrade|likeliest to degrade|risk of degrading|will degrade|degrade next|risk|{WEEK}|high",
    "brief": "needs me|needs a person|needs attention|to do|need to do|brief|matters|need|person|day",
    "in trouble": "in trouble|unhealthy|broken|misses|miss|degraded|at risk|objective|objectives|goal|promise|promises|since|when|which"
    "|feature|features",
    "degraded": "degraded|objective|objectives|goal|promise|promises|since|when|which|feature|features",
    "at risk": "at risk|objective|objectives|goal|promise|promises|since|when|which|feature|features",
    "state quiz": "in trouble|unhealthy|broken|misses|miss|degraded|at risk|healthy|health|state|status|doing|objective|objectives|goal"
    "|promise|promises|since|when|which",
    "who owns quiz": "owns|owner|responsible|belongs|team|belong|who|whom|which|whose",
    "answers quiz": "bad answer rate|rate of bad answers|share of bad answers|bad answers|answers|version|bad|quality",
    "answers version quiz": "bad answer rate|rate of bad answers|share of bad answers|bad answers|answers|version|which|worse|bad|quality",
    "forecast users tomorrow": "forecast|expected|expect|predicted|will|there|be",
    "forecast users next week": "forecast|expected|expect|predicted|will|there|be|in the next week|the next week|next week",
    "users": f"segment|{'|'.join(CHANGING)}",
    "users quiz": f"segment|{'|'.join(CHANGING)}",
    "why errors quiz": f"why|where|caused|explains|behind|lie|{'|'.join(CHANGING)}",
}


@pytest.mark.parametrize("base", SILENT)
def test_a_word_that_is_taken_changes_the_plan_or_chooses_nothing(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    class Recording(question.Rest):
        def took(self, *phrases: str) -> str:
            tried.extend(phrases)
            return super().took(*phrases)

    monkeypatch.setattr(asking, "Rest", Recording)
    plan = asking.plan_of(base, KNOWN)
    assert plan.tool, plan.why_not
    phrases = [
        phrase for phrase in dict.fromkeys(tried) if phrase not in METRIC_WORDS and not set(phrase.split()) <= PLAIN
    ]
    silent = [phrase for phrase in phrases if is_same(plan, asking.plan_of(f"{base} {phrase}", KNOWN))]
    assert {*silent} - {*SILENT[base].split("|"), *base.split()} == set()


def is_same(first: Plan, second: Plan) -> Any:
    return second.tool and (first.step, first.expects) == (second.step, second.expects)


@pytest.mark.parametrize(
    ("words", "step"),
    [
        ("Which experiments are running?", "experiments(state=running)"),
        ("Which features are degraded?", "health(state=degraded)"),
        ("Which features are at risk?", "health(state=at_risk)"),
        ("Which features are degraded and at risk?", "health()"),
        ("Is quiz at risk?", "health(feature=quiz)"),
        ("How high is the risk of quiz?", "risk(feature=quiz)"),
        ("How many users will there be next week?", "forecast(series=dau, first=2026-08-02, last=2026-08-08)"),
        ("How many users are expected in a week?", "forecast(series=dau, day=2026-08-08)"),
        ("How many users are expected on 2026-08-04?", "forecast(series=dau, day=2026-08-04)"),
        *(
            (f"How many users will we have {when}?", "")
            for when in ("next month", "this week", "next week and next month")
        ),
        *(
            (f"Which features were {word}?", "")
            for word in ("throttled", "rolled back", "shipped", "decided and done well")
        ),
        *((f"Which experiments {word}?", "") for word in ("ended", "shipped", "run", "were stopped", "have a result")),
        ("Was quiz throttled?", ""),
        ("What was done about quiz?", ""),
        ("Which version of the answers of quiz was worse last week?", ""),
        ("Which users were lost?", ""),
        ("Do new users stay two weeks later?", ""),
    ],
)
def test_words_that_choose_are_carried_out_or_declined(words: str, step: str) -> None:
    plan = asking.plan_of(words, KNOWN)
    assert (plan.step if plan.tool else "") == step
    assert bool(plan.why_not) is not bool(step)

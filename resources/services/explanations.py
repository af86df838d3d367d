"""The explanation of a decision, read from lake, outbox and registry: from the flag back to the raw rows."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl

from intelligence.catalog.product import Product
from intelligence.core.errors import ActionError
from intelligence.core.sql import sql
from intelligence.decisions.tables import FEATURE_DECISIONS
from intelligence.risk.tables import FEATURE_RISK
from resources.lake.door import Lake
from resources.messages.announcer import Announcer

SHOWN_STORIES = 3


_OF_EARLIER = ("scope", "feature", "event_date")
_EARLIER = sql("decisions/earlier_decision.sql")


_RAW_ROWS = sql("telemetry/raw_rows.sql")


def in_markdown(story: dict[str, Any]) -> str:
    """Return a short form of the explanation for an asset's page."""
    row = story["decision"]
    why_not = "".join(f"\n- **{kind}**: {why}" for kind, why in json.loads(row["why_not"]).items())
    origin = "".join(f"\n- {name}: {value}" for name, value in story["origin"])
    return (
        f"**{row['action']} {row['feature']}** ({row['level']}). {row['reasons']}\n\nWhy not:{why_not}\n\nFrom:{origin}"
    )


@dataclass(frozen=True, slots=True)
class ExplanationService:
    """Explains decisions."""

    product: Product
    lake: Lake
    announcer: Announcer

    def story_of(self, named: str) -> dict[str, Any]:
        """Return the explanation of a decision, named by the beginning of its id, or by a feature for its newest one.

        `earlier` is the feature's newest earlier decision other than `monitor`, None where there is none. Raises
        ActionError where no decision, or more than one, has that name.
        """
        from intelligence.decisions.record import rules_in_words

        decision = self._decision(named)
        outbox = self.announcer.outbox()
        entries = (
            [each for each in outbox.entries() if each.action.episode == decision["episode"]]
            if decision["episode"]
            else []
        )
        done = [
            {
                "action_id": each.id,
                "title": each.action.title,
                "target": each.action.target,
                "standing": each.standing,
                "reason": each.reason,
            }
            for each in entries
        ]
        history = sorted((line for each in entries for line in outbox.history(each.id)), key=lambda line: line.at)
        outcomes = self.lake.frame("FROM actions.outcomes WHERE decision_id = $id", {"id": decision["decision_id"]})
        return {
            "decision": decision,
            "earlier": next(
                self.lake.frame(_EARLIER, {name: decision[name] for name in _OF_EARLIER}).iter_rows(named=True), None
            ),
            "rules": rules_in_words(decision["evidence"], settings=self.product.decisions),
            "origin": self._origin(decision),
            "actions": done,
            "history": history,
            "outcomes": outcomes.to_dicts(),
        }

    def _decision(self, named: str) -> dict[str, Any]:
        """Return the feature's newest decision, or else the decision whose id begins with `named`."""
        found = pl.DataFrame()
        if self.lake.exists():
            query = f"FROM {FEATURE_DECISIONS.path} WHERE feature = $named ORDER BY event_date DESC, score DESC LIMIT 1"
            found = self.lake.frame(query, {"named": named})
        if found.is_empty() and self.lake.exists() and named:
            query = f"FROM {FEATURE_DECISIONS.path} WHERE starts_with(decision_id, $named) LIMIT 2"
            found = self.lake.frame(query, {"named": named})
        if found.height != 1:
            problem = "several decisions begin so." if found.height else "there is no such decision or feature."
            raise ActionError(named, problem, hint="`intelligence status` lists the newest.")
        return found.row(0, named=True)

    def _origin(self, decision: dict[str, Any]) -> list[tuple[str, str]]:
        """Return the tables, days, versions and raw rows on which the decision is based."""
        day, feature = decision["event_date"], decision["feature"]
        span = {"feature": feature, "first": day - timedelta(days=2), "last": day}
        origin = [
            ("lake snapshot", str(decision["lake_snapshot"])),
            ("day", str(day)),
            ("policy", decision["policy_version"]),
        ]
        if decision["model_version"]:
            score = self.lake.frame(
                f"SELECT risk_score, reason_1 FROM {FEATURE_RISK.path} WHERE event_date = $day AND feature = $feature",
                {"day": day, "feature": feature},
            )
            risk = f", risk {score['risk_score'][0]:.1%}" if score.height else ""
            origin.append(("risk model", f"version {decision['model_version']}{risk}"))
        flag = self._flag_now(decision["flag_key"])
        if flag:
            origin.append(("flag", flag))
        rows = self.lake.frame(_RAW_ROWS, span)
        origin += [
            (
                f"rows of {row['event_date']}",
                f"{row['failed']} failed of {row['events']}, in {row['files']}; such as {row['example']}",
            )
            for row in rows.iter_rows(named=True)
        ]
        return origin

    def _flag_now(self, flag_key: str | None) -> str | None:
        from intelligence.actions.flags import exposure, version_of

        if flag_key is None:
            return None
        try:
            document = self.announcer.flags([])[0].document()
            share = exposure(document, flag_key)
            seen = "by its targeting" if share is None else f"to {share:.0%} of users"
            return (
                f"{flag_key} shows the feature {seen}; the platform changed it {version_of(document, flag_key)} times"
            )
        except ActionError as error:
            return str(error)

    def newest_stories(self, decisions: pl.DataFrame) -> dict[str, str]:
        """Return, by title, the explanations of the decisions with the highest scores, other than `monitor`, in Markdown."""
        acts = decisions.filter(pl.col("action") != "monitor").sort("score", descending=True).head(SHOWN_STORIES)
        return {
            f"{row['action']} {row['feature']}": in_markdown(self.story_of(row["decision_id"]))
            for row in acts.iter_rows(named=True)
        }

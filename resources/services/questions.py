"""Questions: a fixed set of tools, each of which reads one thing and answers in sentences whose every number is a fact.

The command line, the server for agents and the rules that answer questions in plain words call the same tools.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final

from pydantic import BaseModel, Field

from intelligence.briefs.answering import (
    METRICS,
    Answer,
    cannot,
    decided_sentences,
    decided_then_sentences,
    fault_sentences,
    forecast_period_sentences,
    forecast_sentences,
    health_sentences,
    metric_sentences,
    quoted,
    risk_sentences,
    risk_then_sentences,
    stood_sentences,
    telemetry_sentences,
    why_sentences,
)
from intelligence.briefs.answers import bad_answer_sentence, worse_answer_sentences
from intelligence.briefs.asking import asked_of_model, plan_of
from intelligence.briefs.brief import DONE, HAPPENED, NEXT, WHY, Brief
from intelligence.briefs.question import Plan, Vocabulary
from intelligence.core.errors import BriefError, CausalityError, NotEnoughEvidence, PlatformError
from intelligence.core.facts import Said, said
from intelligence.core.sql import sql
from resources.lake.door import Lake
from resources.language.chat_server import Message, NoReply
from resources.language.shaped import shaped_reply
from resources.services.briefs import BriefService
from resources.services.causes import CauseService
from resources.services.rewriting import Replying

# A longer period of a forecast is not told day by day.
_MOST_DAYS: Final = 14
_NEWEST: Final = "SELECT max(event_date) AS day, min(event_date) AS first FROM metrics.kpi_day"
_READ: Final = {
    name: sql(f"briefs/{name}.sql")
    for name in (
        "answers_of",
        "answer_changes",
        "kpi_period",
        "feature_period",
        "feature_now",
        "decided_of",
        "decided_period",
        "health_period",
        "risk_of",
        "forecast_of",
        "faulty_of",
        "telemetry_of",
        "vocabulary",
    )
}


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: what it answers, and what it is asked for.

    Attributes:
        name: Its name.
        description: What it answers, in a sentence.
        parameters: What it can be asked for, by name, with what each is.
        needed: Those that it cannot do without.
    """

    name: str
    description: str
    parameters: Mapping[str, str]
    needed: tuple[str, ...] = ()


_PERIOD: Final = {"first": "First day, as 2026-05-31.", "last": "Last day."}
TOOLS: Final[Mapping[str, Tool]] = {
    tool.name: tool
    for tool in (
        Tool(
            "metric",
            "A metric of the product, of a segment or of a feature over a period, beside the period before.",
            {"metric": f"One of {', '.join(METRICS)}.", "feature": "Feature.", "segment": "Segment.", **_PERIOD},
            ("metric",),
        ),
        Tool(
            "why",
            "Where the change of a metric lies: platform, release, region, segment or feature. An association (grade D).",
            {
                "metric": "error_rate, crash_rate, slow_rate, bad_rating_rate, conversion_rate or events_per_user.",
                "feature": "Feature.",
                **_PERIOD,
            },
            ("metric",),
        ),
        Tool(
            "health",
            "The state of a feature, or the features in trouble, on the newest day or in an earlier period.",
            {"feature": "Feature.", "state": "Of all features those that are degraded or at_risk.", **_PERIOD},
        ),
        Tool(
            "risk",
            "How likely a feature is to degrade within a week, or the likeliest, on the newest day or an earlier one.",
            {"feature": "Feature.", "day": "Day, as 2026-05-31."},
        ),
        Tool(
            "decisions",
            "What was decided about a feature, or on the newest day and done, or in an earlier period.",
            {"feature": "Feature.", **_PERIOD},
        ),
        Tool(
            "experiments",
            "The newest verdict on an experiment, or on all of them.",
            {"experiment": "Experiment.", "state": "running."},
        ),
        Tool(
            "forecast",
            "What is expected of a series on a day, or on each day of a period, with its interval.",
            {
                "series": "dau, wau, mau, conversion_rate, value or mean_rating.",
                "day": "Day, as 2026-05-31.",
                **_PERIOD,
            },
            ("series",),
        ),
        Tool(
            "answers",
            "How many answers of a language model were bad in a feature, and which version made them worse (grade D).",
            {"feature": "Feature.", **_PERIOD},
            ("feature",),
        ),
        Tool("incidents", "What is unusual on the newest day, since when, and what came at the same time.", {}),
        Tool("retention", "Who stays, and which week's newcomers stay less.", {}),
        Tool("funnels", "Where the funnels lose users.", {}),
        Tool("telemetry", "Whether the telemetry of a day is whole.", {"day": "Day, as 2026-05-31."}),
        Tool("brief", "The brief of the day or of the week.", {"kind": "day or week."}),
    )
}


class Chosen(BaseModel):
    """What a language model replies: a tool, what it is asked for, and which conditions of the question that leaves out."""

    tool: str = ""
    arguments: dict[str, str] = Field(default_factory=dict, max_length=10)
    left_out: list[str] = Field(default_factory=list, max_length=20)


@dataclass(frozen=True, slots=True)
class QuestionService:
    """Answers questions about a product. It writes nothing.

    Attributes:
        lake: The lake.
        briefs: Composes briefs.
        causes: Says where the change of a metric lies.
        chooser: A language model that chooses a tool where the rules do not understand a question; None for none.
    """

    lake: Lake
    briefs: BriefService
    causes: CauseService
    chooser: Replying | None = None

    def ask(self, question: str) -> Answer:
        """Return the answer to a question in plain words, or that it cannot be answered and why.

        Args:
            question: The question.
        """
        if not self.lake.exists() or self.lake.is_empty():
            return Answer((), cannot(said("The lake is empty.")), is_answered=False)
        question = _whole(question)
        with self.lake.one_snapshot():
            known = self.vocabulary()
            plan = plan_of(question, known)
            if plan.tool or self.chooser is None:
                return self._of_plan(plan)
            return self._of_model(plan, self._chosen(question, known, self.chooser))

    def _chosen(self, question: str, known: Vocabulary, chooser: Replying) -> Plan:
        """Return the call that a language model chooses; no tool where it chooses none, or leaves a condition out."""
        tools = {name: tuple(tool.parameters) for name, tool in TOOLS.items()}
        told, asked = asked_of_model(question, tools, known)
        messages: list[Message] = [{"role": "system", "content": told}, {"role": "user", "content": asked}]
        try:
            made = shaped_reply(chooser.reply, messages, Chosen)
        except NoReply as error:
            return Plan("", why_not=f"The language model chose no tool: {error}")
        tool = TOOLS.get(made.tool)
        given = {name: value for name, value in made.arguments.items() if value}
        if made.left_out:
            return Plan("", why_not=f"No tool knows of {', '.join(made.left_out)}")
        if tool is None or not set(given) <= set(tool.parameters) or not set(tool.needed) <= set(given):
            return Plan("", why_not="The language model chose no tool that there is")
        return Plan(tool.name, given)

    def _of_model(self, by_rules: Plan, chosen: Plan) -> Answer:
        """Return the answer to a call that a language model chose, marked as such."""
        if not chosen.tool:
            both = replace(by_rules, why_not=f"{by_rules.why_not}. {chosen.why_not}")
            return self._of_plan(both)
        found = self._of_plan(chosen)
        mark = said("A language model chose what was read, so see whether it is what was asked.")
        return replace(found, plan=("chosen by a language model", *found.plan), sentences=(mark, *found.sentences))

    def vocabulary(self) -> Vocabulary:
        """Return what a question may name."""
        _, read = self.lake.read({"names": _READ["vocabulary"], "newest": _NEWEST})
        names = {kind: tuple(read["names"].filter(kind=kind)["name"]) for kind in ("feature", "experiment", "segment")}
        day = read["newest"]["day"].item() or date.min
        return Vocabulary(day, names["feature"], names["experiment"], names["segment"])

    def call(self, name: str, arguments: Mapping[str, str] | None = None) -> Answer:
        """Return what a tool answers.

        Args:
            name: Name of the tool.
            arguments: What it is asked for; what is empty counts as not given.

        Raises:
            BriefError: There is no such tool, or it has no such parameter.
        """
        tool = TOOLS.get(name)
        given = {key: _whole(value) for key, value in (arguments or {}).items() if value}
        if tool is None:
            raise BriefError(name, "there is no such tool.", hint=f"There are {', '.join(TOOLS)}.")
        strange = [key for key in given if key not in tool.parameters]
        missing = [key for key in tool.needed if key not in given]
        if strange or missing:
            problem = f"it has no parameter {strange[0]}." if strange else f"it needs {missing[0]}."
            raise BriefError(name, problem, hint=f"Its parameters: {', '.join(tool.parameters) or 'none'}.")
        if not self.lake.exists() or self.lake.is_empty():
            return Answer((), cannot(said("The lake is empty.")), is_answered=False)
        with self.lake.one_snapshot():
            return self._of_plan(Plan(name, given))

    def _of_plan(self, plan: Plan) -> Answer:
        snapshot, read = self.lake.read({"newest": _NEWEST})
        day, first = read["newest"].row(0)
        found = Answer((), (), day=day, snapshot=snapshot)
        if not plan.tool:
            return replace(found, sentences=cannot(quoted(plan.why_not)), is_answered=False)
        found = replace(found, plan=(plan.step,))
        if day is None:
            return replace(found, sentences=cannot(said("No day has figures yet.")), is_answered=False)
        try:
            sentences = _ANSWERS[plan.tool](self, plan, _Days(first, day))
        except (CausalityError, NotEnoughEvidence, BriefError) as error:
            return replace(found, sentences=cannot(quoted(_reason(error))), is_answered=False)
        if not sentences:
            return replace(found, sentences=cannot(said("There is nothing in the tables about it.")), is_answered=False)
        return replace(found, sentences=sentences, is_answered=not sentences[0].startswith("I cannot answer"))

    def _row(self, query: str, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        return next(self.lake.frame(_READ[query], parameters).iter_rows(named=True), None)

    def _feature(self, name: str) -> dict[str, Any]:
        row = self._row("feature_now", {"feature": name})
        if row is None:
            raise BriefError(name, "there is no such feature.", hint="`intelligence status --all` lists features.")
        return row

    def _composed(self) -> Any:
        return self.briefs.composed()

    def _metric(self, plan: Plan, days: "_Days") -> tuple[Said, ...]:
        given = plan.arguments
        first, last = days.known_period(given)
        length = last - first + timedelta(days=1)
        named = given["metric"]
        if named not in METRICS:
            raise BriefError(named, "there is no such metric.", hint=f"There are {', '.join(METRICS)}.")
        if "feature" in given and "segment" in given:
            both = f"{given['feature']} and {given['segment']}"
            raise BriefError(both, "no table has a feature by segment.", hint="Ask for one of them.")
        if "feature" in given:
            self._feature(given["feature"])
            query, of = "feature_period", {"feature": given["feature"]}
        else:
            query, of = "kpi_period", {"segment": given.get("segment", "all")}
        row = self._row(query, {**of, "first": first, "last": last})
        before = self._row(query, {**of, "first": first - length, "last": last - length})
        assert row is not None
        if before is None or first - length < days.first:
            before = {"days": 0}
        told = metric_sentences(named, row, before)
        return (*self._faults((first - length if before["days"] else first, last)), *told) if told else ()

    def _why(self, plan: Plan, days: "_Days") -> tuple[Said, ...]:
        first, last = days.period(plan.arguments, length=7)
        found = self.causes.why(
            plan.arguments["metric"],
            feature=plan.arguments.get("feature", ""),
            day=last,
            days=(last - first).days + 1,
        )
        told = why_sentences(found, last_day=last, expects=plan.expects, asked=plan.asked)
        periods = ((each.start, each.end - timedelta(days=1)) for each in (found.periods.before, found.periods.after))
        return (*self._faults(*periods), *told)

    def _faults(self, *periods: tuple[date, date]) -> tuple[Said, ...]:
        """Return on which days of the periods the telemetry is at fault."""
        return fault_sentences(
            [
                row
                for first, last in periods
                for row in self.lake.frame(_READ["faulty_of"], {"first": first, "last": last}).iter_rows(named=True)
            ]
        )

    def _then(self, query: str, plan: Plan, days: "_Days") -> list[dict[str, Any]]:
        """Return the rows of a period, of the feature that is asked for or of all."""
        first, last = days.known_period(plan.arguments)
        feature = plan.arguments.get("feature", "")
        if feature:
            self._feature(feature)
        return self.lake.frame(_READ[query], {"feature": feature, "first": first, "last": last}).to_dicts()

    def _health(self, plan: Plan, days: "_Days") -> tuple[Said, ...]:
        state = _choice(plan, "state", "degraded", "at_risk")
        if state and "feature" in plan.arguments:
            raise BriefError(state, "the state of one feature is told, whatever it is.", hint="Leave one of them out.")
        if {"first", "last"} & set(plan.arguments):
            found = self._then("health_period", plan, days)
            return stood_sentences(found, feature=plan.arguments.get("feature", ""), state=state)
        if "feature" in plan.arguments:
            return health_sentences(self._feature(plan.arguments["feature"]))
        known = self.briefs.known()[1]
        if known is None:
            return ()
        from intelligence.briefs.composing import trouble_sentences

        return trouble_sentences(known, state)

    def _risk(self, plan: Plan, _: "_Days") -> tuple[Said, ...]:
        if "day" in plan.arguments:
            of = {"feature": plan.arguments.get("feature", ""), "day": _day(plan.arguments["day"])}
            return risk_then_sentences(self.lake.frame(_READ["risk_of"], of).to_dicts())
        if "feature" in plan.arguments:
            return risk_sentences(self._feature(plan.arguments["feature"]))
        return self._told("day", NEXT, "The likeliest to degrade")

    def _decisions(self, plan: Plan, days: "_Days") -> tuple[Said, ...]:
        if {"first", "last"} & set(plan.arguments):
            return decided_then_sentences(self._then("decided_period", plan, days))
        if "feature" in plan.arguments:
            self._feature(plan.arguments["feature"])
            row = self._row("decided_of", {"feature": plan.arguments["feature"]})
            return decided_sentences(row) if row else ()
        return self._told("week", DONE)

    def _experiments(self, plan: Plan, _: "_Days") -> tuple[Said, ...]:
        named = plan.arguments.get("experiment", "")
        if _choice(plan, "state", "running"):
            from intelligence.briefs.composing import running_sentences

            if named:
                raise BriefError(
                    named, "the verdict on one experiment says whether it runs.", hint="Leave the state out."
                )
            known = self.briefs.known()[1]
            return running_sentences(known) if known else ()
        found = [
            each
            for each in self._composed().briefs
            if each.kind == "experiment" and (not named or each.subject.partition(" · ")[0] == named)
        ]
        if named and not found:
            raise BriefError(named, "there is no such experiment.", hint="`intelligence experiment list` lists them.")
        headings = (HAPPENED, WHY, NEXT) if named else (HAPPENED,)
        return tuple(
            sentence
            for each in found
            for section in each.sections
            if section.heading in headings
            for sentence in (section.sentences if named else section.sentences[:1])
        )

    def _forecast(self, plan: Plan, days: "_Days") -> tuple[Said, ...]:
        given, series = plan.arguments, plan.arguments["series"]
        if not {"first", "last"} & set(given):
            return forecast_sentences(self._expected(series, days, given.get("day", "")))
        if "day" in given:
            raise BriefError(given["day"], "a day and a period are asked for.", hint="Leave one of them out.")
        if not {"first", "last"} <= set(given):
            one = given.get("first") or given["last"]
            raise BriefError(one, "a period of a forecast needs both its days.", hint="Give first and last.")
        first, last = days.period(given)
        if (last - first).days >= _MOST_DAYS:
            raise BriefError(
                f"{first} to {last}", f"more than {_MOST_DAYS} days.", hint="Ask for fewer days, or for one."
            )
        asked = [str(first + timedelta(days=ahead)) for ahead in range((last - first).days + 1)]
        return forecast_period_sentences([self._expected(series, days, day) for day in asked])

    def _expected(self, series: str, days: "_Days", asked: str) -> dict[str, Any]:
        """Return the forecast of a series for a day; where none is asked for, the last one of the next four weeks."""
        day = _day(asked) if asked else days.last + timedelta(days=28)
        row = self._row("forecast_of", {"series": series, "day": day})
        if row is None:
            hint = "`intelligence forecast show` lists what is expected."
            raise BriefError(series, f"there is no forecast of it up to {day}.", hint=hint)
        if asked and row["forecast_date"] != day:
            last = f"The last day before it that has one is {row['forecast_date']}."
            raise BriefError(series, f"there is no forecast of it for {day}.", hint=last)
        return row

    def _answers(self, plan: Plan, days: "_Days") -> tuple[Said, ...]:
        feature = self._feature(plan.arguments["feature"])["feature"]
        first, last = days.period(plan.arguments, length=7)
        row = self._row("answers_of", {"feature": feature, "first": first, "last": last})
        worse = worse_answer_sentences(self.lake.frame(_READ["answer_changes"]).filter(feature=feature))
        if row is None:
            return worse
        return (bad_answer_sentence(row), *(worse or (said("No new version made its answers worse beyond chance."),)))

    def _incidents(self, _: Plan, __: "_Days") -> tuple[Said, ...]:
        from intelligence.briefs.composing import unusual_told

        known = self.briefs.known()[1]
        return unusual_told(known) if known else ()

    def _retention(self, _: Plan, __: "_Days") -> tuple[Said, ...]:
        from intelligence.briefs.morning import staying_sentences

        known = self.briefs.known()[1]
        return tuple(staying_sentences(known.read["cohorts"])) if known else ()

    def _funnels(self, _: Plan, __: "_Days") -> tuple[Said, ...]:
        from intelligence.briefs.morning import losing_sentence

        known = self.briefs.known()[1]
        return (losing_sentence(known.read["funnels"]),) if known else ()

    def _telemetry(self, plan: Plan, days: "_Days") -> tuple[Said, ...]:
        asked = plan.arguments.get("day")
        row = self._row("telemetry_of", {"day": _day(asked) if asked else days.last})
        return telemetry_sentences(row) if row else ()

    def _brief(self, plan: Plan, _: "_Days") -> tuple[Said, ...]:
        found: Brief = self._composed().of(plan.arguments.get("kind", "day"))
        return tuple(found.sentences)

    def _told(self, kind: str, heading: str, beginning: str = "") -> tuple[Said, ...]:
        """Return the sentences of a section of a brief."""
        found: Brief = self._composed().of(kind)
        return tuple(
            sentence
            for section in found.sections
            if section.heading == heading
            for sentence in section.sentences
            if sentence.startswith(beginning)
        )


@dataclass(frozen=True, slots=True)
class _Days:
    """The first and the newest day with figures."""

    first: date
    last: date

    def period(self, given: Mapping[str, str], *, length: int = 1) -> tuple[date, date]:
        """Return the first and the last day that are asked for."""
        last = _day(given["last"]) if "last" in given else self.last
        first = _day(given["first"]) if "first" in given else last - timedelta(days=length - 1)
        if first > last:
            raise BriefError(f"{first} to {last}", "the period ends before it begins.", hint="Turn the days round.")
        return first, last

    def known_period(self, given: Mapping[str, str]) -> tuple[date, date]:
        """Return the first and the last day that are asked for, all of which have figures."""
        first, last = self.period(given)
        if first < self.first or last > self.last:
            days_kept = f"There are figures from {self.first} to {self.last}."
            raise BriefError(f"{first} to {last}", "not all of these days are known.", hint=days_kept)
        return first, last


def _whole(text: str) -> str:
    """Return a text in which half a character, which JSON can hold and no answer can, is replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BriefError(text, "is no day.", hint="Give one such as 2026-05-31.") from None


def _choice(plan: Plan, name: str, *values: str) -> str:
    """Return what is given for a parameter that has few values; empty where nothing is."""
    given = plan.arguments.get(name, "")
    if given and given not in values:
        raise BriefError(given, f"is no {name} to ask for.", hint=f"Ask for {' or '.join(values)}.")
    return given


def _reason(error: PlatformError) -> str:
    return f"{error.culprit}: {error.problem} {error.hint}"


_Answering = Callable[[QuestionService, Plan, _Days], tuple[Said, ...]]
_ANSWERS: Final[Mapping[str, _Answering]] = {name: getattr(QuestionService, f"_{name}") for name in TOOLS}

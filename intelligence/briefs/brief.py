"""A brief: sections of sentences about one thing on one day, and the rows and pages that are made of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Any, Final, Literal

from intelligence.core.facts import Fact, Said, said
from intelligence.core.foreign import harmless

Kind = Literal["day", "week", "decision", "experiment", "incident"]
KINDS: Final[tuple[Kind, ...]] = ("day", "week", "decision", "experiment", "incident")
NEEDS: Final = "What needs a person"
HAPPENED: Final = "What happened"
WHY: Final = "Why"
NEXT: Final = "What comes next"
DONE: Final = "What was done or is proposed"
USE: Final = "Who stays, and where users are lost"
SECTIONS: Final = (NEEDS, HAPPENED, WHY, NEXT, DONE, USE)
# Signs with a meaning in Markdown, within text that comes from data.
_MARKUP: Final = "\\`*_{}[]<>#|!~"
_STYLE: Final = """
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 46rem; padding: 1.5rem 1rem 4rem; font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin: 1.5rem 0 .25rem; } p { margin: .25rem 0 .5rem; }
table { border-collapse: collapse; font-size: .8rem; } th, td { text-align: left; vertical-align: top; padding: .2rem .6rem .2rem 0; }
""".strip()
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a brief.

    Attributes:
        heading: One of SECTIONS.
        sentences: Its sentences, the most important first.
    """

    heading: str
    sentences: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class Brief:
    """What there is to say about one thing on one day.

    Attributes:
        kind: What it is about.
        subject: Which one; empty for a day or a week.
        day: The newest day that it knows of.
        title: Its title.
        sections: Its sections, the most important first; a brief about nothing that happened has one with one sentence.
    """

    kind: Kind
    subject: str
    day: date
    title: Said
    sections: tuple[Section, ...]

    @property
    def id(self) -> str:
        """Return what it is called, the same on each day: its kind, and its subject where it has one."""
        return f"{self.kind}:{self.subject}" if self.subject else self.kind

    @property
    def sentences(self) -> Iterator[Said]:
        """Yield all that it says, the title first."""
        yield self.title
        for section in self.sections:
            yield from section.sentences

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Return the facts that it cites, each once, in their order."""
        return tuple({fact.id: fact for sentence in self.sentences for fact in sentence.facts}.values())

    def record(self) -> dict[str, Any]:
        """Return it for another program: its sentences by heading."""
        told = {section.heading: list(map(str, section.sentences)) for section in self.sections}
        return {"kind": self.kind, "subject": self.subject, "day": self.day, "title": str(self.title), "told": told}

    def paragraphs(self) -> Iterator[tuple[str, str]]:
        """Yield each heading with its sentences."""
        for section in self.sections:
            yield section.heading, " ".join(section.sentences)


def brief(kind: Kind, subject: str, day: date, title: Said, told: Mapping[str, Sequence[Said]]) -> Brief:
    """Return a brief of the sections that have a sentence.

    Args:
        kind: What it is about.
        subject: Which one.
        day: The newest day that it knows of.
        title: Its title.
        told: Sentences by heading.
    """
    kept = tuple(Section(heading, tuple(told[heading])) for heading in SECTIONS if told.get(heading))
    return Brief(kind, subject, day, title, kept)


def brief_rows(briefs: Iterable[Brief]) -> Iterator[dict[str, Any]]:
    """Yield the rows of `briefs.briefs`: a sentence each.

    Args:
        briefs: The briefs of one day.
    """
    for each in briefs:
        headed = [("", each.title)]
        headed += [(section.heading, sentence) for section in each.sections for sentence in section.sentences]
        for place, (heading, sentence) in enumerate(headed):
            yield {
                "event_date": each.day,
                "brief": each.id,
                "kind": each.kind,
                "subject": each.subject,
                "place": place,
                "section": heading,
                "template": sentence.template,
                "text": str(sentence),
                "facts": [fact.id for fact in sentence.facts],
                "grades": list(sentence.grades),
            }


def fact_rows(briefs: Sequence[Brief], *, day: date, snapshot: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of `briefs.facts`: each fact that is cited, once.

    Args:
        briefs: The briefs of one day.
        day: The day.
        snapshot: The snapshot of the lake that they were read from.

    Raises:
        ValueError: Two different facts have one id.
    """
    known: dict[str, Fact] = {}
    for fact in (fact for each in briefs for fact in each.facts):
        before = known.setdefault(fact.id, fact)
        if before.text != fact.text:
            raise ValueError(f"{fact.id} is said as {before.text!r} and as {fact.text!r}: give one of them another id")
    for fact in known.values():
        yield fact_record(fact, day=day, snapshot=snapshot)


def fact_record(fact: Fact, *, day: date | None, snapshot: int | None) -> dict[str, Any]:
    """Return a fact as a row of `briefs.facts`.

    Args:
        fact: The fact.
        day: The day on which it was known.
        snapshot: The snapshot of the lake that it was read from.
    """
    names = ("unit", "low", "high", "first_day", "last_day", "grade", "source", "query", "row", "field")
    row = {name: getattr(fact, name) for name in names}
    return {
        "event_date": day,
        "fact": fact.id,
        "value": fact.number,
        "text": fact.text,
        **row,
        "lake_snapshot": snapshot,
    }


def in_markdown(found: Brief, *, with_facts: bool = False, snapshot: int | None = None) -> str:
    """Return a brief in Markdown; text from data cannot mark up anything.

    Args:
        found: The brief.
        with_facts: Whether the facts are listed below.
        snapshot: The snapshot that it was read from.
    """
    lines = [f"# {_plain(found.title)}", ""]
    for section in found.sections:
        lines += [f"## {section.heading}", "", *(f"- {_plain(sentence)}" for sentence in section.sentences), ""]
    if with_facts:
        lines += ["## Facts", "", f"Lake snapshot {snapshot}." if snapshot is not None else "", ""]
        lines += ["| said | fact | unit | interval | grade | from | query |", "|---|---|---|---|---|---|---|"]
        lines += [f"| {' | '.join(map(_plain, _told(fact)))} |" for fact in found.facts]
    return "\n".join(lines).rstrip() + "\n"


def in_html(found: Brief, *, with_facts: bool = False, snapshot: int | None = None) -> str:
    """Return a brief as an HTML document, which loads nothing and runs nothing.

    Args:
        found: The brief.
        with_facts: Whether the facts are listed below.
        snapshot: The snapshot that it was read from.
    """
    body = [f"<h1>{_escaped(found.title)}</h1>"]
    for section in found.sections:
        body.append(f"<h2>{escape(section.heading)}</h2>")
        body += [f"<p>{_escaped(sentence)}</p>" for sentence in section.sentences]
    if with_facts:
        heads = "".join(f"<th>{name}</th>" for name in ("said", "fact", "unit", "interval", "grade", "from", "query"))
        body += [f"<h2>Facts of snapshot {snapshot}</h2>", f"<table><tr>{heads}</tr>"]
        for fact in found.facts:
            body.append(f"<tr>{''.join(f'<td>{_escaped(cell)}</td>' for cell in _told(fact))}</tr>")
        body.append("</table>")
    inner = "\n".join(body)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{_escaped(found.title)}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n{inner}\n</body>\n</html>\n"
    )


def stored_brief(rows: Sequence[Mapping[str, Any]], facts: Mapping[str, Fact]) -> Brief:
    """Return a brief from its rows in `briefs.briefs`.

    Args:
        rows: The rows of one brief on one day, in their order.
        facts: The facts of that day by id.
    """
    first, *rest = rows
    sections: dict[str, list[Said]] = {}
    for row in rest:
        sections.setdefault(row["section"], []).append(stored_sentence(row["template"], facts))
    return Brief(
        first["kind"],
        first["subject"],
        first["event_date"],
        stored_sentence(first["template"], facts),
        tuple(Section(heading, tuple(sentences)) for heading, sentences in sections.items()),
    )


def stored_sentence(template: str, facts: Mapping[str, Fact]) -> Said:
    """Return a sentence from its template and the facts by id.

    Args:
        template: Words, and ids of facts in braces.
        facts: The facts by id.
    """
    pieces: list[str | Fact] = []
    for place, part in enumerate(template.split("{")):
        name, brace, after = part.partition("}")
        pieces += [facts[name], after] if place and brace else [part]
    return Said(piece for piece in pieces if piece != "")


def stored_fact(row: Mapping[str, Any]) -> Fact:
    """Return a fact from its row in `briefs.facts`; it is written as it was then.

    Args:
        row: The row.
    """
    names = ("unit", "low", "high", "first_day", "last_day", "grade", "source", "query", "row", "field")
    is_number = row["value"] is not None
    shape = row["text"].replace("{", "{{").replace("}", "}}") if is_number else "{}"
    value = row["value"] if is_number else row["text"]
    return Fact(id=row["fact"], value=value, shape=shape, **{name: row[name] for name in names})


def whole(day: date) -> Said:
    """Return what a day is called in a title."""
    source, query = "metrics.feature_health", "catalog/reading/as_of.sql"
    return said("{}", Fact(id=f"day/{day}", value=day, first_day=day, last_day=day, source=source, query=query))


def _told(fact: Fact) -> tuple[str, ...]:
    ends = "" if fact.low is None or fact.high is None else f"{fact.low:.6g} to {fact.high:.6g}"
    query = f"{fact.query} [{fact.row}] {fact.field}" if fact.row else f"{fact.query} {fact.field}"
    return (fact.text, fact.id, fact.unit, ends, fact.grade or "", fact.source, query)


def _plain(text: str) -> str:
    shown = harmless(" ".join(text.split()))
    return "".join(f"\\{sign}" if sign in _MARKUP else sign for sign in shown)


def _escaped(text: str) -> str:
    return escape(harmless(" ".join(text.split())))

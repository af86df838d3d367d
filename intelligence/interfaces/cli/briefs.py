"""The command `intelligence brief`: what happened, why, what comes next and what was done, on one page."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import RenderableType
from rich.text import Text

from intelligence.briefs.brief import Brief, fact_record, in_html, in_markdown
from intelligence.core.foreign import harmless
from intelligence.interfaces.cli import session
from intelligence.interfaces.cli.options import EVERY_DAY, AsJson
from intelligence.interfaces.cli.table import add, table

if TYPE_CHECKING:
    from intelligence.briefs.answering import Answer
    from intelligence.briefs.rewriting import Rewritten

DAY: Final = "%Y-%m-%d"
app = typer.Typer()


class Form(StrEnum):
    """How a brief is written."""

    text = "text"
    markdown = "markdown"
    html = "html"


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence brief week --as markdown --facts")
def brief(
    kind: Annotated[str, typer.Argument(help="day, week, decision, experiment or incident.")] = "day",
    subject: Annotated[str, typer.Argument(help="Feature, experiment or incident; a part of its name is enough.")] = "",
    day: Annotated[datetime | None, typer.Option(formats=[DAY], help="Day; else the newest one.")] = None,
    form: Annotated[Form, typer.Option("--as", help="text, markdown or html.")] = Form.text,
    facts: Annotated[bool, typer.Option("--facts", help="List the facts behind every number.")] = False,
    rewrite: Annotated[
        bool,
        typer.Option(
            "--rewrite", help="In the words of the language model that product.yaml names, checked, in any form."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell what happened, why, what comes next, what was done and what needs a person; every number is a fact with its source."""
    from intelligence.interfaces.cli import terminal

    told = session.platform().briefs.told(day.date() if day else None)
    found = told.of(kind, subject)
    refused: dict[str, Any] = {}
    if rewrite:
        made = _rewritten(found)
        found, refused = made.in_sections, {"refused": made.refused}
    if as_json:
        cited = [fact_record(each, day=told.day, snapshot=told.snapshot) for each in found.facts]
        session.print_json({**found.record(), **refused, "snapshot": told.snapshot, "facts": cited})
    elif form is Form.text:
        session.console.print(terminal.brief_text(found))
        if facts:
            session.console.print()
            session.console.print(facts_table(found, told.snapshot))
    else:
        write = in_html if form is Form.html else in_markdown
        print(write(found, with_facts=facts, snapshot=told.snapshot), end="")


def _rewritten(found: Brief) -> "Rewritten":
    """Return a brief in other words, and print how many of its sentences are the rules' own, and why."""
    platform = session.platform()
    made = platform.rewriting.rewritten(found, platform.questions.vocabulary().features)
    reasons = "; ".join(dict.fromkeys(made.refused.values()))
    if made.refused:
        told = f"{len(made.refused)} of {len(made.sentences)} sentences are those of the rules: {reasons}."
        session.errors.print(Text(harmless(told), style="yellow"))
    return made


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence draft review checkout > review.md")
def draft(
    kind: Annotated[str, typer.Argument(help="review, ticket or requirements.")],
    subject: Annotated[str, typer.Argument(help="Feature or incident; a part of its name is enough.")] = "",
    form: Annotated[Form, typer.Option("--as", help="text, markdown or html.")] = Form.markdown,
    facts: Annotated[bool, typer.Option("--facts", help="List the facts behind every number.")] = False,
    send: Annotated[
        bool, typer.Option("--send", help="Send a ticket to the target of tickets in product.yaml.")
    ] = False,
) -> None:
    """Draft a review of an incident, a ticket or a page of requirements from facts, for a person to check and to finish."""
    from intelligence.core.errors import BriefError
    from intelligence.interfaces.cli import terminal

    if send and kind != "ticket":
        raise BriefError("--send", f"a draft of a {kind} is for people to finish.", hint="Only a ticket can be sent.")
    service = session.platform().briefs
    snapshot, found = service.drafted(kind, subject)
    if form is Form.text:
        session.console.print(terminal.brief_text(found))
    else:
        write = in_html if form is Form.html else in_markdown
        print(write(found, with_facts=facts, snapshot=snapshot), end="")
    if send:
        new = service.asked_for(subject, by=session.person())
        told = f"Planned as action {new[0][:12]}; the next run delivers it." if new else "It was sent before."
        session.errors.print(told)


@app.command(rich_help_panel=EVERY_DAY, epilog='Example: intelligence ask "why did conversions fall last week?"')
def ask(
    question: Annotated[str, typer.Argument(help="The question, in plain words.")],
    facts: Annotated[bool, typer.Option("--facts", help="List the facts behind every number.")] = False,
    as_json: AsJson = False,
) -> None:
    """Answer a question from the tables, by rules and without a language model; what they do not hold is not answered."""
    found = session.platform().questions.ask(question)
    if as_json:
        session.print_json(answer_record(found))
    else:
        for sentence in found.sentences:
            session.console.print(Text(sentence))
        for step in found.plan:
            session.console.print(Text(f"How: {step}, lake snapshot {found.snapshot}", style="dim"))
        if facts and found.facts:
            session.console.print()
            session.console.print(facts_table(found, found.snapshot or 0))
    if not found.is_answered:
        raise typer.Exit(1)


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence mcp --http --port 8503")
def mcp(
    http: Annotated[bool, typer.Option("--http", help="Serve streamable HTTP on loopback instead of stdio.")] = False,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port on loopback, with --http.")] = 8503,
    actions: Annotated[
        bool, typer.Option("--actions", help="Let agents propose tickets, which wait for a person to approve them.")
    ] = False,
) -> None:
    """Serve the tools of `ask` to agents over the Model Context Protocol: they read, and change nothing."""
    try:
        from intelligence.interfaces.agents import server
    except ModuleNotFoundError as missing:
        from intelligence.core.errors import BriefError

        hint = "Install the extra `agents`: make setup, or pip install 'product-intelligence-platform[agents]'."
        raise BriefError(missing.name or "mcp", "is not installed.", hint=hint) from None
    from functools import partial

    import anyio

    platform = session.platform()
    propose = partial(platform.briefs.asked_for, by="an agent", approved=False) if actions else None
    served_tools = server.server_of(platform.questions, propose)
    if not http:
        anyio.run(server.serve_stdio, served_tools)
        return
    from intelligence.interfaces.api.keys import with_keys
    from resources.config.settings import api_keys
    from resources.processes.front.serving import LOOPBACK, require_free, served

    require_free("The tools", port, option="--port")
    keys = api_keys()
    session.say(f"http://{LOOPBACK}:{port}{server.PATH}")
    served(with_keys(server.app_of(served_tools), keys), port=port)


def answer_record(found: "Answer") -> dict[str, Any]:
    """Return an answer for another program, with the facts that it cites.

    Args:
        found: The answer.
    """
    return {
        "answered": found.is_answered,
        "text": found.text,
        "plan": list(found.plan),
        "day": found.day,
        "snapshot": found.snapshot,
        "facts": [fact_record(each, day=found.day, snapshot=found.snapshot) for each in found.facts],
    }


def facts_table(found: "Brief | Answer", snapshot: int) -> RenderableType:
    """Return the facts that a brief or an answer cites, with where each comes from.

    Args:
        found: The brief or the answer.
        snapshot: The snapshot of the lake that it was read from.
    """
    texts = ("said", "fact", "from")
    shown = table(f"Facts of lake snapshot {snapshot}", "said", "fact", "grade", "from", texts=texts)
    for each in found.facts:
        add(shown, each.text, each.id, each.grade or "", each.source)
    return shown

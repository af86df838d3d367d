"""The commands `intelligence online`: read the product's topics, and show what was decided on an event."""

import json
import signal
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from intelligence.core.errors import OnlineError
from intelligence.core.foreign import harmless
from intelligence.interfaces.cli import session
from intelligence.interfaces.cli.options import AsJson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date
    from typing import Any

    from resources.config.settings import Settings
    from resources.intake.ingest import Batch
    from resources.online.processor import Decided
    from resources.online.stream import Stream
    from resources.platform import Platform
    from resources.services.guard import Done

app = typer.Typer(help="The stream: topics are read, and each event is decided on as it comes.", no_args_is_help=True)
SHOWN_EVERY_S = 2.0


@app.command("run", epilog="Example: intelligence online run --brokers 127.0.0.1:9092")
def run(
    brokers: Annotated[str | None, typer.Option(help="Addresses host:port; else INTELLIGENCE_KAFKA.")] = None,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End when nothing waits any more.")] = False,
) -> None:
    """Read the topics of product.yaml until Ctrl-C; a new start continues exactly where this one ends, however it ends."""
    from resources.config.settings import settings

    with _extra_stream():
        from resources.services.online import stream_of
    platform = session.platform()
    stream, _ = stream_of(settings(), platform.decisions, platform.actions, brokers=brokers, told=session.say)
    stopped = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stopped.set())
    shown = Shown(stream, session.say)
    try:
        stream.run(until=lambda: stopped.is_set() or (until_idle and shown.is_idle()), told=shown.told)
        files = stream.deliver(all_rows=True)
    finally:
        stream.close()
    shown.show()
    if files:
        session.say(f"Files for the lake were written: {len(files)}. `intelligence ingest` takes them in.")


class Shown:
    """Says every few seconds how many events were decided on, and how."""

    def __init__(self, stream: "Stream", say: "Callable[[str], None]") -> None:
        """Start counting.

        Args:
            stream: The stream.
            say: Prints a line.
        """
        self._stream, self._say = stream, say
        self._answers: Counter[str] = Counter()
        self._since = self._last = time.monotonic()
        self._heard: set[str] = set()
        self._read = False

    def told(self, decided: "Sequence[Decided]") -> None:
        """Count decisions, and say how it stands if it is time.

        Args:
            decided: The decisions of a batch.
        """
        self._answers.update(each.decision.answer for each in decided)
        self._last = time.monotonic() if decided else self._last
        if time.monotonic() - self._since > SHOWN_EVERY_S:
            self.show()

    def show(self) -> None:
        """Say how it stands, and what the broker said since the last time."""
        seconds, total = max(time.monotonic() - self._since, 1e-9), self._answers.total()
        said = {**self._stream.heard.errors, **{note: note for note in self._stream.heard.notes}}
        for text in [text for kind, text in said.items() if kind not in self._heard]:
            self._say(harmless(f"The broker: {text}"))
        self._heard |= set(said)
        if total:
            answers = ", ".join(f"{name} {self._answers[name]:,}" for name in ("allow", "throttle", "block"))
            self._say(f"{total:,} events, {total / seconds:,.0f} a second: {answers}")
        self._answers.clear()
        self._since = time.monotonic()

    def is_idle(self) -> bool:
        """Return whether all messages that the broker has were taken in, and none came for a second."""
        if time.monotonic() - self._last < 1:
            return False
        lag = self._stream.lag()
        return bool(lag) and not any(lag.values())


@app.command("rehearse", epilog="Example: intelligence --example small online rehearse --speed 3000")
def rehearse(
    speed: Annotated[float, typer.Option(min=1, help="Seconds of the simulated day that pass in a second.")] = 600,
    port: Annotated[int, typer.Option(help="Port on loopback for questions over HTTP.")] = 8503,
    night: Annotated[bool, typer.Option(help="Build all tables of the day at the end, as the night does.")] = True,
) -> None:
    """Send a day of the simulated product through a broker inside this process, decide on it, and take it into a lake."""
    from resources.config.serving_lock import REHEARSAL, serving
    from resources.config.settings import settings

    with _extra_stream():
        from resources.processes.front.serving import LOOPBACK, require_free
    # Its folder is emptied: neither another rehearsal nor a server in its place may find out later.
    with serving(settings().data, {"stream": f"http://{LOOPBACK}:{port}"}, what=REHEARSAL):
        require_free("The rehearsal", port, option="--port")
        _rehearsed(speed, port, night=night)


def _rehearsed(speed: float, port: int, *, night: bool) -> None:
    """Rehearse in a folder that belongs to this process alone."""
    from intelligence.interfaces.api.keys import with_keys
    from resources.config.settings import api_keys, settings

    with _extra_stream():
        from intelligence.interfaces.online.app import app_of
        from resources.models.registry import Registry
        from resources.online.rehearsal import GREEDY, NEW_RELEASE, day_of_messages, mock_brokers, planted, send
        from resources.services.feedback import FeedbackService
        from resources.services.guard import done_of
        from resources.services.online import Hidden, Rehearsal, stream_of
        from resources.services.online_answers import OnlineAnswers
    from resources.messages.announcer import Announcer
    from resources.processes.front.serving import LOOPBACK, server_of

    platform = session.platform()
    rehearsal = Rehearsal.of(platform.product, settings())
    rehearsed = replace(
        platform,
        product=rehearsal.product,
        lake=rehearsal.lake,
        announcer=Announcer.of(rehearsal.settings),
        product_file=replace(platform.product_file, landing=str(rehearsal.settings.landing)),
    )
    product, simulate, stopped, counted = rehearsal.product, rehearsal.simulate, threading.Event(), Counter[str]()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stopped.set())
    with mock_brokers() as brokers:
        stream, store = stream_of(
            rehearsal.settings,
            rehearsed.decisions,
            rehearsed.actions,
            brokers=brokers,
            by_stream=True,
            told=lambda text: session.say(harmless(text)),
        )
        answers = OnlineAnswers.at(
            product,
            rehearsal.settings.data,
            by_stream=True,
            registry=Registry.of(rehearsal.settings),
            guarded=lambda: done_of(rehearsed.decisions),
            feedback=FeedbackService(product, rehearsed.announcer),
        )
        server = server_of(with_keys(app_of(answers), api_keys()), port=port)
        threading.Thread(target=server.run, daemon=True).start()
        bad = planted(product, simulate)
        messages = day_of_messages(simulate, simulate.first_day, timezone=product.timezone, bad=bad)

        def send_all() -> None:
            counted["sent"] = send(
                messages, brokers=brokers, speed=speed, taken=lambda: counted["taken"], is_stopped=stopped.is_set,
                hides=Hidden(rehearsed.announcer, product),
            )  # fmt: skip

        sender = threading.Thread(target=send_all, daemon=True)
        sender.start()
        session.say(
            f"{simulate.first_day} of {product.name} comes at {speed:g} times its speed, until Ctrl-C or its end."
        )
        session.say(f"Ask while it runs: curl http://{LOOPBACK}:{port}/v1/entities/{GREEDY}")
        session.say(
            f"At {bad.released:%H:%M} half of a class gets the release {NEW_RELEASE}, on which {bad.feature} fails every other time."
        )
        shown = Shown(stream, session.say)

        def is_over() -> bool:
            counted["taken"] = sum(store.tallies().values())
            return not sender.is_alive() and (counted["taken"] >= counted["sent"] or stopped.is_set())

        try:
            stream.run(until=is_over, told=shown.told)
            stream.deliver(all_rows=True)
        finally:
            server.should_exit = True
            stream.close()
        shown.show()
    _say_what_came_of(store.tallies(), rehearsal.taken_in(), store.newest_of(GREEDY))
    session.say(f"{rehearsal.decisions_landed().said} They are decisions.entity_decisions.")
    done = done_of(rehearsed.decisions)
    for each in reversed(done):
        _say_done(each)
    if night and not stopped.is_set():
        _say_what_the_night_makes_of_it(rehearsed, rehearsal.settings, simulate.first_day, done)


def _say_what_came_of(
    tallies: "Mapping[tuple[str, str], int]", taken_in: "Sequence[Batch]", greedy: str | None
) -> None:
    """Say what became of the messages on the stream and in the lake, and where to look further."""
    stream = ", ".join(f"{status} {number:,}" for (_, status), number in sorted(tallies.items()))
    session.say(f"On the stream: {sum(tallies.values()):,} messages ({stream}).")
    rows, accepted, repeated, rejected = (
        sum(getattr(each, name) for each in taken_in) for name in ("rows_in", "accepted", "duplicates", "rejected")
    )
    session.say(f"In the lake: {rows:,} rows (accepted {accepted:,}, duplicates {repeated:,}, rejected {rejected:,}).")
    if greedy:
        session.say(f"Why one was throttled: `intelligence --data {_rehearsal_folder()} online why {greedy}`.")


def _say_done(done: "Done") -> None:
    """Say what the guard decided and what became of it."""
    made = done.decision
    stands = ", ".join(f"{target} {standing}" for target, (standing, _) in sorted(done.standings.items()))
    level = f" at the level {made.level}" if made.level else ""
    session.say(
        harmless(
            f"{made.stream_at:%Y-%m-%d %H:%M} {made.action} {made.feature} for {made.release} on {made.platform}{level}:"
            f" {stands or 'nothing was done'}. {made.row['reasons']}"
        )
    )


def _say_what_the_night_makes_of_it(platform: "Platform", own: "Settings", day: "date", done: "Sequence[Done]") -> None:
    """Build all tables of the day, and compare what the night decides and counts with what the guard did."""

    from assets.definitions import definitions
    from assets.graph.runner import brought_up_to_date
    from resources.models.mlflow_store import quiet_environment
    from resources.processes.runs import instance_for
    from resources.services.guard import night_of

    session.say("The night's batch builds all tables of the day, which takes half a minute.")
    quiet_environment()
    outcome = brought_up_to_date(
        definitions,
        platform,
        instance_for(own),
        today=day + timedelta(days=1),
        listener=lambda *_: None,
    )
    if outcome.error:
        raise OnlineError("the night's batch", outcome.error, hint="Say --no-night to leave it out.")
    for sentence in night_of(platform.decisions, day, done):
        session.say(harmless(sentence))
    session.say(f"See it all in Dagster and on the dashboard: `intelligence --data {_rehearsal_folder()} up`.")


def _rehearsal_folder() -> str:
    from resources.config.settings import product_and_data

    return str(product_and_data()[1] / "rehearsal")


@app.command("serve", epilog="Example: intelligence online serve --port 8700")
def serve(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port on loopback.")] = 8503,
    redis: Annotated[
        str | None, typer.Option(help="Redis with the stream's windows; else INTELLIGENCE_REDIS, else the data folder.")
    ] = None,
) -> None:
    """Serve decisions over HTTP on this machine until Ctrl-C; another process reads the stream."""
    from intelligence.interfaces.api.keys import with_keys

    with _extra_stream():
        from intelligence.interfaces.online.app import app_of
    from resources.config.settings import api_keys, settings
    from resources.models.registry import Registry
    from resources.processes.front.serving import LOOPBACK, require_free, served
    from resources.services.feedback import FeedbackService
    from resources.services.guard import done_of
    from resources.services.online_answers import OnlineAnswers

    require_free("The decision API", port, option="--port")
    platform = session.platform()
    answers = OnlineAnswers.at(
        platform.product,
        settings().data,
        registry=Registry.of(settings()),
        guarded=lambda: done_of(platform.decisions),
        feedback=FeedbackService(platform.product, platform.announcer),
        redis=redis or settings().redis,
    )
    session.say(f"http://{LOOPBACK}:{port}/v1/decide")
    served(with_keys(app_of(answers), api_keys()), port=port)


@contextmanager
def _extra_stream() -> "Iterator[None]":
    """Raise OnlineError where a package of the extra `stream` is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise OnlineError(
            error.name or "a package",
            "it is not installed.",
            hint="Install the extra `stream`: make setup, or pip install 'product-intelligence-platform[stream]'.",
        ) from error


@app.command("why", epilog="Example: intelligence online why 4711")
def why(event: Annotated[str, typer.Argument(help="Id of the event.")], as_json: AsJson = False) -> None:
    """Show the decision on an event, of the stream or asked for over HTTP, and all that it rests on."""
    trace = _decision(event)
    if trace is None:
        raise OnlineError(
            event,
            "no decision on an event with this id is kept.",
            hint="`intelligence online run` makes decisions, and `intelligence online serve` those that are asked for.",
        )
    if as_json:
        session.print_json(trace)
        return
    asked = " (asked for over HTTP)" if trace.get("asked") else ""
    session.say(harmless(f"{trace['entity']}: {trace['answer']}, because {trace['reason']}{asked}."))
    if trace["per_minute"]:
        session.say(f"It keeps {trace['per_minute']:g} events a minute, one every {trace['delay_s']:g} s.")
    if not trace["is_enforced"]:
        session.say(
            f"Entities are at the level {trace['level']}: the answer is recorded, and everybody is let through."
        )
    for name, value in (trace["windows"] or {}).items():
        session.say(f"  {name} {'unknown' if value is None else format(value, 'g')}")


def _decision(event: str) -> "dict[str, Any] | None":
    """Return the decision on an event with its trace: the stream's, else one that was asked for; None where none is kept."""
    from resources.config.settings import settings
    from resources.online.asked import AskedDecisions
    from resources.online.store import OnlineStore

    path = settings().online
    found = OnlineStore(path).decision(event) if path.exists() else None
    if found is not None:
        return {"id": found.id, "entity": found.entity, "source": found.source, **json.loads(found.trace)}
    path = path.with_name("online_asked.db")
    asked = AskedDecisions(path).decision(event) if path.exists() else None
    return (
        None if asked is None else {"id": asked.id, "entity": asked.entity, "source": None, **json.loads(asked.trace)}
    )


@app.command("guard", epilog="Example: intelligence online guard --json")
def guard(as_json: AsJson = False) -> None:
    """Show how the guard of the stream stands, and what it decided on new releases."""
    from resources.config.settings import settings

    with _extra_stream():
        from resources.online.store import OnlineStore
        from resources.services.guard import done_of
    path = settings().online
    standing = OnlineStore(path).guard() if path.exists() else None
    done = done_of(session.platform().decisions)
    if as_json:
        session.print_json({"standing": standing, "decisions": [each.as_json() for each in done]})
        return
    if standing is None:
        session.say("The guard has not looked at a stream here. `intelligence online run` reads one.")
    else:
        fault = f"suspended since {standing['since']}: {standing['fault']}" if standing["fault"] else "watching"
        session.say(harmless(f"The guard is {fault} (minute of the stream: {standing['at']})."))
        if standing["trouble"]:
            session.say(harmless(f"It could not act and tries again: {standing['trouble']}"))
    for each in done:
        _say_done(each)
    if not done:
        session.say("It has decided on nothing.")


@app.command("learn", epilog="Example: intelligence online learn --json")
def learn(as_json: AsJson = False) -> None:
    """Learn from decisions and outcomes whom to throttle, and have the policy followed if later decisions show that it gains."""
    with _extra_stream():
        found = session.platform().entity_policies.learned()
    verdict, leaves = found.verdict, found.verdict.policy.leaves if found.verdict.policy else ()
    if as_json:
        session.print_json(
            {
                "deploy": verdict.deploy,
                "reason": verdict.reason,
                "beside": verdict.beside,
                "gain_low": verdict.low,
                "decisions": found.decisions,
                "version": found.version,
                "is_champion": found.is_champion,
                "leaves": [each.words for each in leaves],
            }
        )
        return
    session.say(f"{found.decisions:,} decisions between safe answers, of which it is known what became true.")
    for each in leaves:
        session.say(harmless(f"  {each.words}"))
    session.say(harmless(verdict.reason))
    if verdict.beside:
        session.say(harmless(verdict.beside))
    if found.is_champion:
        session.say(f"The stream and the API follow it: version {found.version} of entity_policy.")
    elif found.version:
        session.say(
            f"It is version {found.version} of entity_policy and decides nothing. `intelligence promote` has it followed."
        )

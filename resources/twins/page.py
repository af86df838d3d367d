"""The messages that the twins took, as one page of HTML: by service and place, threads together, every text escaped."""

from collections.abc import Sequence
from html import escape
from itertools import groupby

from resources.twins.store import Record

_HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Local twins</title><style>
body{font:15px/1.45 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}
article{border-left:3px solid #c8d1da;padding:.2rem .8rem;margin:.6rem 0}article article{margin-left:.4rem}
time,code{color:#59636e;font-size:.85em}pre{white-space:pre-wrap;font:inherit;margin:.2rem 0}
</style></head><body><h1>What would have been sent</h1>"""


def page_of(records: Sequence[Record]) -> str:
    """Return the page as HTML."""
    ordered = sorted(records, key=lambda record: (record.service, record.place, record.sequence))
    sections = [
        _section(service, place, list(taken))
        for (service, place), taken in groupby(ordered, key=lambda record: (record.service, record.place))
    ]
    return _HEAD + ("".join(sections) or "<p>Nothing yet.</p>") + "</body></html>\n"


def _section(service: str, place: str, records: list[Record]) -> str:
    threads: dict[str, list[Record]] = {}
    for record in records:
        threads.setdefault(record.thread or record.reference, []).append(record)
    articles = "".join(_thread(members) for members in threads.values())
    return f"<section><h2>{escape(service)} · {escape(place)}</h2>{articles}</section>"


def _thread(records: list[Record]) -> str:
    first, *others = records
    return f"<article>{_message(first)}{''.join(f'<article>{_message(each)}</article>' for each in others)}</article>"


def _message(record: Record) -> str:
    when = f"<time>{record.at:%Y-%m-%d %H:%M:%S} UTC</time>"
    key = f" <code>{escape(record.key)}</code>" if record.key else ""
    return f"{when}{key}<pre>{escape(str(record.body.get('text', '')))}</pre>"

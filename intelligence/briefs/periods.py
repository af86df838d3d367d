"""The days that a question names: dates, periods between them, and words such as `last week`."""

import re
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from intelligence.briefs.question import Rest

WEEK: Final = 7
# The first and the last day.
Period = tuple[date, date]
_MONTH_NAMES: Final = "january february march april may june july august september october november december"
MONTHS: Final = tuple(_MONTH_NAMES.split())
# Words for days, with the first and the last of them in days before the newest one.
_SPOKEN: Final = (
    ("the week before last", 2 * WEEK - 1, WEEK),
    ("week before last", 2 * WEEK - 1, WEEK),
    ("in the last week", WEEK - 1, 0),
    ("last week", WEEK - 1, 0),
    ("this week", WEEK - 1, 0),
    ("past week", WEEK - 1, 0),
    ("yesterday", 1, 1),
    ("today", 0, 0),
    ("right now", 0, 0),
)
_DATE: Final = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b", re.ASCII)
_DAYS: Final = re.compile(r"\b(?:the )?(?:last|past) (\d{1,3}) days\b", re.ASCII)
# Words before or after a time that make it another one; and what stands between the two days of a period, by the word before it.
_BESIDE: Final = re.compile(
    r"(?<![\w-])(up to|by|to|until|till|through|before|after|from|since|between|and|or|than)\s*$"
)
_BETWEEN: Final = re.compile(
    r"(from .+ (to|until|till|through)|between .+ and|(?!from |between ).+ (to|until|through|-|–))"
)
_ONWARDS: Final = re.compile(r"^\s*(on|onwards?)(?![\w-])")


def period_in(rest: Rest, day: date) -> Period | str | None:
    """Return the days that are named, or why they cannot be; None where none is.

    Args:
        rest: The question; the words of the days are taken out.
        day: The newest day, on which "today" is.

    >>> rest = Rest("how many users last week")
    >>> [str(each) for each in period_in(rest, date(2026, 8, 1))], rest.words
    (['2026-07-26', '2026-08-01'], ['users'])
    """
    found = list(_DATE.finditer(rest.text))
    dates = []
    for match in found:
        try:
            dates.append(date(*map(int, match.groups())))
        except ValueError:
            return f"{match.group()} is no day"
    if len(dates) > 2:
        return "more than two days are named"
    if not dates:
        return _spoken(rest, day)
    head, tail = rest.text[: found[0].start()], rest.text[found[-1].end() :]
    if len(dates) == 1:
        return _beside(rest, head, dates[0], tail, day)
    return _from_to(rest, head, rest.text[found[0].end() : found[1].start()], tail, dates)


def _from_to(rest: Rest, head: str, between: str, tail: str, dates: Sequence[date]) -> Period | str:
    """Return the days from one date to another, or why the words around them name none."""
    before = _BESIDE.search(head)
    word = before.group(1) if before else ""
    if not _BETWEEN.fullmatch(f"{word} day {between.strip()}".strip()):
        return f"I cannot tell which days are meant by {dates[0]} and {dates[1]}: say from which day to which"
    if dates[0] > dates[1]:
        return f"a period from {dates[0]} to {dates[1]} ends before it begins"
    rest.text = f"{head[: before.start()] if before else head} {tail}"
    return dates[0], dates[1]


def _beside(rest: Rest, head: str, named: date, tail: str, day: date) -> Period | str:
    """Return the days that a single date names with the words beside it, or why they are not known."""
    before, onwards = _BESIDE.search(head), _ONWARDS.search(tail)
    word = before.group(1) if before else ""
    kept = head[: before.start()] if before else head
    week = re.search(r"(?<![\w-])week $", kept)
    if word == "from" and onwards:
        rest.text = f"{kept} {tail[onwards.end() :]}"
        return named, day
    if onwards:
        return _unclear(f"{named} {onwards.group(1)}")
    if word == "since":
        rest.text = f"{kept} {tail}"
        return named, day
    if word == "to" and week:
        rest.text = f"{kept[: week.start()]} {tail}"
        return named - timedelta(days=WEEK - 1), named
    if word:
        return _unclear(f"{word} {named}")
    rest.text = f"{head} {tail}"
    return named, named


def _unclear(words: str) -> str:
    return f'I cannot tell on which day "{words}" begins or ends: name a day, or say from which day to which'


def _spoken(rest: Rest, day: date) -> Period | str | None:
    """Return the days that words such as `last week` name, or why they are not known; None where none is named."""
    last = _DAYS.search(rest.text)
    if last and int(last.group(1)):
        return _taken(rest, last, day - timedelta(days=int(last.group(1)) - 1), day)
    for phrase, first_ago, last_ago in _SPOKEN:
        match = re.search(rf"(?<![\w-]){phrase}(?![\w-])", rest.text)
        if match:
            return _taken(rest, match, day - timedelta(days=first_ago), day - timedelta(days=last_ago))
    for number, month in enumerate(MONTHS, start=1):
        match = re.search(rf"(?<![\w-])(in {month}{'' if month == 'may' else f'|{month}'})(?![\w-])", rest.text)
        if match:
            year = day.year if number <= day.month else day.year - 1
            following = date(year + number // 12, number % 12 + 1, 1)
            return _taken(rest, match, date(year, number, 1), following - timedelta(days=1))
    return None


def _taken(rest: Rest, match: re.Match[str], first: date, last: date) -> Period | str:
    """Return the days that words name, the words taken out; why not where a word beside them makes them other days."""
    head, tail = rest.text[: match.start()], rest.text[match.end() :]
    before, onwards = _BESIDE.search(head), _ONWARDS.search(tail)
    if before or (onwards and not tail[onwards.end() :].strip(" ?.!")):
        return _unclear(
            f"{before.group(1) if before else ''} {match.group()} {onwards.group(1) if onwards else ''}".strip()
        )
    rest.text = f"{head} {tail}"
    return first, last

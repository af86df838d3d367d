"""The history of the alias `champion`: who moved it, when, from where, to where, and why.

MLflow records no such history, and two stores cannot change in one transaction. A promotion therefore holds a lock and takes three
steps: it records its intention, moves the alias, and turns the intention into a row of the history. If the process is killed after
the first or second step, the intention remains; the next reader compares it with the alias and completes or discards it. A move
of the alias without an intention was made by a person in MLflow.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from intelligence.core.errors import ModelError
from intelligence.risk.versions import Move, overruled_by
from resources.config.faults import reach
from resources.models.versions import REVERT
from resources.state.rows import inserted_key
from resources.state.store import State
from resources.state.tables import INTENDED_PROMOTIONS, OVERRULED_VERDICTS, PROMOTIONS

A_PERSON = "a person in MLflow"
ALIAS_MOVED = "alias moved"


@dataclass(frozen=True, slots=True)
class Promotions:
    """The history of one model's champions.

    Attributes:
        state: The store that contains the history.
        model: Name of the registered model.
        present_version: Returns the version that has the alias, None if none has it.
        move_alias: Moves the alias to a version.
        gate_verdict: Returns the gate's verdict on a version, None if there is none, and its reason.
    """

    state: State
    model: str
    present_version: Callable[[], str | None]
    move_alias: Callable[[str], None]
    gate_verdict: Callable[[str], tuple[str | None, str]]

    def history(self) -> list[Move]:
        """Return every move, the oldest first."""
        with self.state.reading() as connection:
            return self._history(connection)

    def noticed(self) -> Move | None:
        """Return the move that a person made in MLflow since the last call, after recording it; None if there was none."""
        if self._is_settled():
            return None
        with self._turn():
            return self._settled()

    def promoted(self, version: str, *, actor: str, cause: str, reason: str, run_id: str | None) -> Move:
        """Move the alias to a version and return the move; the recorded move if the version is the champion already.

        Args:
            version: Number of the version in MLflow.
            actor: Who moves the alias, a person or a part of the platform.
            cause: Kind of the move, such as `revert`.
            reason: Why, in a sentence.
            run_id: The Dagster run that moves it, None outside of one.
        """
        with self._turn():
            self._settled()
            return self._moved(version, actor=actor, cause=cause, reason=reason, run_id=run_id)

    def reverted(self, *, actor: str, reason: str, run_id: str | None) -> Move:
        """Move the alias back to the former champion and return the move; a second revert goes one champion further back.

        Args:
            actor: Who moves the alias, a person or a part of the platform.
            reason: Why, in a sentence.
            run_id: The Dagster run that moves it, None outside of one.

        Raises:
            ModelError: There is no former champion.
        """
        with self._turn():
            self._settled()
            with self.state.reading() as connection:
                former = former_champion(self._history(connection))
            if former is None:
                raise ModelError(
                    self.model,
                    f"there is no champion before version {self.present_version()}."
                    if self.present_version()
                    else "it has had no champion.",
                    hint="`intelligence models` lists the versions; `intelligence promote` names one.",
                )
            return self._moved(former, actor=actor, cause=REVERT, reason=reason, run_id=run_id)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with self.state.turn(f"promotions.{self.model}"):
            yield

    def _moved(self, version: str, **why: str | None) -> Move:
        with self.state.reading() as connection:
            last = self._last(connection)
        present = last.to_version if last else None
        if last and present == version:
            return last
        values = {"at": datetime.now(UTC), "model": self.model, "from_version": present, "to_version": version, **why}
        with self.state.writing() as connection:
            connection.execute(insert(INTENDED_PROMOTIONS).values(**values))
        reach("promotion.intended")
        self.move_alias(version)
        reach("promotion.alias_moved")
        with self.state.writing() as connection:
            return self._appended(connection, values)

    def _is_settled(self) -> bool:
        with self.state.reading() as connection:
            last, intention = self._last(connection), self._intention(connection)
        return intention is None and self.present_version() == (last.to_version if last else None)

    def _settled(self) -> Move | None:
        """Make the history agree with the alias, and return the move that was added to it."""
        champion = self.present_version()
        with self.state.writing() as connection:
            last, intention = self._last(connection), self._intention(connection)
            present = last.to_version if last else None
            if champion == present:
                self._forget_intentions(connection)
                return None
            if intention and intention["to_version"] == champion:
                return self._appended(connection, intention)
            reason = "The alias was moved." if champion else "The alias was removed."
            seen = {"at": datetime.now(UTC), "model": self.model, "from_version": present, "to_version": champion}
            return self._appended(connection, {**seen, "actor": A_PERSON, "cause": ALIAS_MOVED, "reason": reason})

    def _appended(self, connection: Connection, values: dict[str, Any]) -> Move:
        verdict, why = self.gate_verdict(values["to_version"]) if values["to_version"] else (None, "")
        sequence = inserted_key(connection, insert(PROMOTIONS).values(**values))
        move, overruled = Move(sequence=sequence, **values), overruled_by(verdict, values["to_version"])
        if overruled:
            move = replace(move, overruled=overruled, gate_reason=why)
            against = {"promotion": sequence, "overruled": overruled, "gate_reason": why}
            connection.execute(insert(OVERRULED_VERDICTS).values(**against))
        self._forget_intentions(connection)
        return move

    def _forget_intentions(self, connection: Connection) -> None:
        connection.execute(delete(INTENDED_PROMOTIONS).where(INTENDED_PROMOTIONS.c.model == self.model))

    def _history(self, connection: Connection) -> list[Move]:
        query = self._moves().order_by(PROMOTIONS.c.sequence)
        return [_move(row) for row in connection.execute(query).mappings()]

    def _last(self, connection: Connection) -> Move | None:
        query = self._moves().order_by(PROMOTIONS.c.sequence.desc())
        row = connection.execute(query.limit(1)).mappings().first()
        return _move(row) if row else None

    def _moves(self) -> Any:
        verdicts = OVERRULED_VERDICTS.c
        both = PROMOTIONS.outerjoin(OVERRULED_VERDICTS, verdicts.promotion == PROMOTIONS.c.sequence)
        return (
            select(PROMOTIONS, verdicts.overruled, verdicts.gate_reason)
            .select_from(both)
            .where(PROMOTIONS.c.model == self.model)
        )

    def _intention(self, connection: Connection) -> dict[str, Any] | None:
        table = INTENDED_PROMOTIONS
        query = select(table).where(table.c.model == self.model).order_by(table.c.id.desc()).limit(1)
        row = connection.execute(query).mappings().first()
        return {name: value for name, value in row.items() if name != "id"} if row else None


def _move(row: Mapping[Any, Any]) -> Move:
    return Move(**{**row, "gate_reason": row["gate_reason"] or ""})


def former_champion(history: list[Move]) -> str | None:
    """Return the champion that a revert restores; like an undo, two reverts go two champions back. None if there is none."""
    past: list[str | None] = []
    for move in history:
        if move.cause == REVERT:
            while past and past[-1] != move.to_version:
                past.pop()
        else:
            past.append(move.to_version)
    present = past.pop() if past else None
    former = [version for version in past if version is not None and version != present]
    return former[-1] if former else None

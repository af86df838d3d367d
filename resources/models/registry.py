"""The one door to the models: versions in MLflow, the alias `champion`, its history, and the copy to score with."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import dagster as dg

from intelligence.core.errors import ModelError
from intelligence.risk.versions import Move, VersionRow
from resources.config.fixed import Fixed
from resources.config.settings import Settings
from resources.models.local_copies import Copy, LocalCopies
from resources.models.mlflow_store import (
    MlflowUnreachable,
    alias_in,
    answers,
    client_of,
    database_in,
    make_store,
    store_uri,
)
from resources.models.versions import CHAMPION, AliasHistory, Champion, LoggedTraining, Registered, StoredModel


class Registry(Fixed, dg.ConfigurableResource["Registry"]):
    """The models of one product.

    `root` holds MLflow's database and artifacts, `tracking_uri` names a server over them instead of the database,
    `cache` is the folder for local copies of champions, `state` the URL of the store with the history, `ui` where
    people open MLflow.
    """

    root: str
    cache: str
    state: str
    tracking_uri: str | None = None
    ui: str = "http://127.0.0.1:5000"

    @classmethod
    def of(cls, settings: Settings) -> "Registry":
        """Return the registry that the settings name."""
        return cls(
            root=str(settings.mlruns),
            cache=str(settings.champions),
            state=settings.state,
            tracking_uri=settings.mlflow_uri,
            ui=settings.mlflow_ui,
        )

    @property
    def uri(self) -> str:
        """Return the address under which MLflow is opened."""
        return self.tracking_uri or store_uri(Path(self.root))

    def exists(self) -> bool:
        """Return whether anything was ever registered here; for a server this is taken for granted."""
        return self.tracking_uri is not None or database_in(Path(self.root)).exists()

    @contextmanager
    def _mlflow(self) -> Iterator[Any]:
        with answers(self.uri):
            yield client_of(self.uri)

    def registered(
        self, model_name: str, model: StoredModel, *, logged: LoggedTraining, tags: Mapping[str, str]
    ) -> Registered:
        """Return the model's version, with its run; the existing one for the very same model."""
        from resources.models.registration import registered_version
        from resources.state.store import state_at

        if self.tracking_uri is None:
            make_store(Path(self.root))
        with state_at(self.state).turn(f"registration.{model_name}"), self._mlflow() as client:
            artifacts = Path(self.root).resolve() / "artifacts" / model_name
            found, is_new = registered_version(client, artifacts, model_name, model, logged, tags)
            run = client.get_run(found.run_id)
        version_url, run_url = self.links(model_name, str(found.version), run.info.experiment_id, found.run_id)
        return Registered(model_name, str(found.version), found.run_id, version_url, run_url, is_new)

    def version_url(self, model_name: str, version: str) -> str:
        """Return the page of a version in MLflow."""
        return f"{self.ui.rstrip('/')}/#/models/{model_name}/versions/{version}"

    def links(self, model_name: str, version: str, experiment_id: str, run_id: str) -> tuple[str, str]:
        """Return the pages of a version and of its run in MLflow."""
        run_url = f"{self.ui.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"
        return self.version_url(model_name, version), run_url

    def champion(self, model_name: str) -> Champion | None:
        """Return the version to score with, None where the alias `champion` is on none; a run asks once.

        Where MLflow cannot be reached it is the last champion on this machine, with a note that says so.
        """
        copies = self._copies(model_name)
        named = self._named(model_name)
        held = copies.held(*named) if named and named[0] else None
        if held:
            copies.confirm(held.version, datetime.now(UTC))
            return _champion(model_name, held)
        try:
            present = None if named == ("", "") else self._present(model_name, copies)
        except MlflowUnreachable as error:
            return _last_known(copies, error)
        if present is None:
            copies.forget()
            return None
        kept = self._kept(copies, present)
        copies.confirm(kept.version, datetime.now(UTC))
        return _champion(model_name, kept)

    def champion_before(self, model_name: str, version: str) -> Champion | None:
        """Return the champion from which the alias last moved to `version`; None where it had been on none."""
        self.noticed(model_name)
        moves = [move for move in self.history(model_name) if move.to_version == version]
        former = moves[-1].from_version if moves else None
        if former is None:
            return None
        with self._mlflow() as client:
            found = _none_where_missing(lambda: client.get_model_version(model_name, former))
        return _champion(model_name, self._kept(self._copies(model_name), found)) if found else None

    def was_taken_down(self, model_name: str, version: str) -> bool:
        """Return whether the gate promoted this version and the alias has left it since."""
        # The history alone does not tell: a store that was made anew counts from 1 again.
        judged = {row.version for row in self.versions(model_name) if row.verdict == "promote"}
        return version in judged and any(move.to_version == version for move in self.history(model_name))

    def _copies(self, model_name: str) -> LocalCopies:
        return LocalCopies(model_name, Path(self.cache) / model_name)

    def _kept(self, copies: LocalCopies, found: Any) -> Copy:
        return copies.kept(str(found.version), found.run_id, dict(found.tags), lambda into: self._fetched(found, into))

    def _present(self, model_name: str, copies: LocalCopies) -> Any | None:
        if not self.exists() and not copies.is_known:
            return None
        with self._mlflow() as client:
            return _none_where_missing(lambda: client.get_model_version_by_alias(model_name, CHAMPION))

    def _fetched(self, present: Any, into: Path) -> Path:
        """Return the folder with the model's files after fetching it; MLflow did answer, so no other version will do."""
        import mlflow

        into.mkdir()
        try:
            uri = f"models:/{present.name}/{present.version}"
            found = mlflow.artifacts.download_artifacts(
                artifact_uri=uri, dst_path=str(into), tracking_uri=self.uri, registry_uri=self.uri
            )
        except Exception as error:
            raise ModelError(
                f"{present.name} version {present.version}",
                f"its files cannot be fetched from MLflow ({str(error).splitlines()[-1][:200]}).",
                hint="Bring its artifacts back and free disk space, or promote another version.",
            ) from error
        return Path(found) / "artifacts"

    def aliases(self, model_name: str) -> dict[str, str]:
        """Return the version of each alias; empty where the model is not registered."""
        if not self.exists():
            return {}
        with self._mlflow() as client:
            found = _none_where_missing(lambda: client.get_registered_model(model_name))
        return {alias: str(version) for alias, version in found.aliases.items()} if found else {}

    def versions(self, model_name: str) -> list[VersionRow]:
        """Return every version, the newest first."""
        if not self.exists():
            return []
        aliases = self.aliases(model_name)
        with self._mlflow() as client:
            found = client.search_model_versions(f"name = '{model_name}'")
            metrics = {each.run_id: client.get_run(each.run_id).data.metrics for each in found}
        return [
            VersionRow(
                version=str(each.version),
                aliases=tuple(sorted(alias for alias, version in aliases.items() if version == str(each.version))),
                created_at=datetime.fromtimestamp(each.creation_timestamp / 1000, UTC),
                kind=each.tags.get("kind", ""),
                metrics=metrics[each.run_id],
                trained_through=each.tags.get("trained_through", ""),
                verdict=each.tags.get("verdict"),
                run_id=each.run_id,
            )
            for each in sorted(found, key=lambda each: -int(each.version))
        ]

    def tagged(self, model_name: str, version: str, tags: Mapping[str, str]) -> None:
        """Put tags on a version."""
        with self._mlflow() as client:
            self._require(client, model_name, version)
            for key, value in tags.items():
                client.set_model_version_tag(model_name, version, key, value)

    def promoted(
        self, model_name: str, version: str, *, actor: str, cause: str, reason: str, run_id: str | None = None
    ) -> Move:
        """Return the move of the alias to `version`; where it already stands there, the move that brought it there."""
        return self._promotions(model_name).promoted(version, actor=actor, cause=cause, reason=reason, run_id=run_id)

    def reverted(self, model_name: str, *, actor: str, reason: str, run_id: str | None = None) -> Move:
        """Return the move of the alias back to the champion before the present one."""
        return self._promotions(model_name).reverted(actor=actor, reason=reason, run_id=run_id)

    def noticed(self, model_name: str) -> Move | None:
        """Return the move that a person made in MLflow since the last look, recorded once; None if there was none."""
        if not self.exists() and not self.history(model_name):
            return None
        return self._promotions(model_name).noticed()

    def history(self, model_name: str) -> list[Move]:
        """Return every move of the alias, the oldest first."""
        return self._promotions(model_name).history()

    def _promotions(self, model_name: str) -> AliasHistory:
        from resources.models.promotions import Promotions
        from resources.state.store import state_at

        def standing() -> str | None:
            named = self._named(model_name)
            if named:
                return named[0] or None
            with self._mlflow() as client:
                found = _none_where_missing(lambda: client.get_model_version_by_alias(model_name, CHAMPION))
            return str(found.version) if found else None

        def stand(version: str) -> None:
            with self._mlflow() as client:
                self._require(client, model_name, version)
                client.set_registered_model_alias(model_name, CHAMPION, version)

        def verdict(version: str) -> tuple[str | None, str]:
            with self._mlflow() as client:
                found = _none_where_missing(lambda: client.get_model_version(model_name, version))
            tags = found.tags if found else {}
            return tags.get("verdict"), tags.get("verdict_reason", "")

        return Promotions(state_at(self.state), model_name, standing, stand, verdict)

    def _named(self, model_name: str) -> tuple[str, str] | None:
        """Return the champion's version and run without asking MLflow, "" where there is none; None where that fails."""
        return None if self.tracking_uri else alias_in(database_in(Path(self.root)), model_name, CHAMPION)

    def _require(self, client: Any, model_name: str, version: str) -> None:
        if _none_where_missing(lambda: client.get_model_version(model_name, version)) is None:
            versions = ", ".join(row.version for row in self.versions(model_name))
            hint = f"Choose one of {versions}." if versions else "Train first: nothing is registered under this name."
            raise ModelError(f"{model_name} version {version}", "there is no such version.", hint=hint)


def _champion(name: str, copy: Copy, note: str | None = None) -> Champion:
    model = _model(f"{name} version {copy.version}", tuple(copy.files.items()))
    return Champion(name, copy.version, copy.run_id, model, copy.tags, note)


@lru_cache(maxsize=4)
def _model(origin: str, files: tuple[tuple[str, bytes], ...]) -> Any:
    # One run asks for the same champion many times, and loading its trees takes longer than reading them.
    from intelligence.risk.model import model_from

    return model_from(dict(files), origin=origin)


def _last_known(copies: LocalCopies, error: MlflowUnreachable) -> Champion:
    last = copies.last()
    if last is None:
        raise ModelError(
            error.culprit,
            f"{error.problem} This machine has no copy of a champion of {copies.name}.",
            hint=error.hint,
        ) from error
    copy, at = last
    note = (
        f"MLflow cannot be reached. Scored with version {copy.version}, the champion when MLflow last answered,"
        f" {at:%Y-%m-%d %H:%M} UTC."
    )
    return _champion(copies.name, copy, note)


def _none_where_missing(asked: Callable[[], Any]) -> Any | None:
    """Return MLflow's answer; None where what was asked for does not exist."""
    from mlflow.exceptions import MlflowException

    try:
        return asked()
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise

"""The only access to the models: versions in MLflow, the alias `champion`, its history, and the copy to score with."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from intelligence.core.errors import ModelError
from intelligence.risk.versions import Move, VersionRow
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Registry:
    """The models of one product.

    Attributes:
        root: Folder of MLflow's database and artifacts.
        cache: Folder for local copies of champions.
        state: SQLAlchemy URL of the store that contains the history.
        tracking_uri: URL of an MLflow server that is used instead of the database; None for the database.
        ui: URL at which people open MLflow.
    """

    root: str
    cache: str
    state: str
    tracking_uri: str | None = None
    ui: str = "http://127.0.0.1:5000"

    @classmethod
    def of(cls, settings: Settings) -> "Registry":
        """Return the registry that the settings describe."""
        return cls(
            root=str(settings.mlruns),
            cache=str(settings.champions),
            state=settings.state,
            tracking_uri=settings.mlflow_uri,
            ui=settings.mlflow_ui,
        )

    @property
    def uri(self) -> str:
        """Return the tracking URI of MLflow."""
        return self.tracking_uri or store_uri(Path(self.root))

    def exists(self) -> bool:
        """Return whether anything was ever registered here; always true for a server."""
        return self.tracking_uri is not None or database_in(Path(self.root)).exists()

    @contextmanager
    def _mlflow(self) -> Iterator[Any]:
        with answers(self.uri):
            yield client_of(self.uri)

    def registered(
        self, model_name: str, model: StoredModel, *, logged: LoggedTraining, tags: Mapping[str, str]
    ) -> Registered:
        """Register the model and return its version; the existing version if the same model is registered already.

        Args:
            model_name: Name of the registered model.
            model: The trained model; models with the same files are the same model.
            logged: What the run in MLflow shows to people.
            tags: Tags for the run and the version.
        """
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
        """Return the URL of a version's page in MLflow.

        Args:
            model_name: Name of the registered model.
            version: Number of the version.
        """
        return f"{self.ui.rstrip('/')}/#/models/{model_name}/versions/{version}"

    def links(self, model_name: str, version: str, experiment_id: str, run_id: str) -> tuple[str, str]:
        """Return the URLs of the pages of a version and of its run in MLflow.

        Args:
            model_name: Name of the registered model.
            version: Number of the version.
            experiment_id: The experiment to which the run belongs.
            run_id: The MLflow run that made the version.
        """
        run_url = f"{self.ui.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"
        return self.version_url(model_name, version), run_url

    def champion(self, model_name: str) -> Champion | None:
        """Return the version to score with; None if no version has the alias `champion`.

        If MLflow cannot be reached, the last champion on this machine is returned, with a note that says so.
        """
        copies = self._copies(model_name)
        named = self._named(model_name)
        copy = copies.valid_copy(*named) if named and named[0] else None
        if copy:
            copies.confirm(copy.version, datetime.now(UTC))
            return _champion(model_name, copy)
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
        """Return the champion that a version replaced when the alias last moved to it; None if there was none.

        Args:
            model_name: Name of the registered model.
            version: The version to which the alias moved.
        """
        self.noticed(model_name)
        moves = [move for move in self.history(model_name) if move.to_version == version]
        former = moves[-1].from_version if moves else None
        if former is None:
            return None
        with self._mlflow() as client:
            found = _none_where_missing(lambda: client.get_model_version(model_name, former))
        return _champion(model_name, self._kept(self._copies(model_name), found)) if found else None

    def was_taken_down(self, model_name: str, version: str) -> bool:
        """Return whether the gate promoted this version and it became champion; if it is not champion now, it was taken down.

        Args:
            model_name: Name of the registered model.
            version: Number of the version.
        """
        # The history alone is not enough: a store that was deleted and created again starts from version 1.
        passed = {row.version for row in self.versions(model_name) if row.verdict == "promote"}
        return version in passed and any(move.to_version == version for move in self.history(model_name))

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
        """Fetch the model's files and return their folder; a failure is an error, since MLflow did name this version."""
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
        """Return the version of each alias; empty if the model is not registered."""
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
        """Set tags of a version; raises ModelError if there is no such version.

        Args:
            model_name: Name of the registered model.
            version: Number of the version.
            tags: Values by tag name; other tags stay as they are.
        """
        with self._mlflow() as client:
            self._require(client, model_name, version)
            for key, value in tags.items():
                client.set_model_version_tag(model_name, version, key, value)

    def promoted(
        self, model_name: str, version: str, *, actor: str, cause: str, reason: str, run_id: str | None = None
    ) -> Move:
        """Move the alias to a version and return the move; the recorded move if the version is the champion already.

        Args:
            model_name: Name of the registered model.
            version: Number of the version.
            actor: Who moves the alias, a person or a part of the platform.
            cause: Kind of the move, such as `revert`.
            reason: Why, in a sentence.
            run_id: The Dagster run that moves it, None outside of one.
        """
        return self._promotions(model_name).promoted(version, actor=actor, cause=cause, reason=reason, run_id=run_id)

    def reverted(self, model_name: str, *, actor: str, reason: str, run_id: str | None = None) -> Move:
        """Move the alias back to the former champion and return the move; raises ModelError if there is none.

        Args:
            model_name: Name of the registered model.
            actor: Who moves the alias, a person or a part of the platform.
            reason: Why, in a sentence.
            run_id: The Dagster run that moves it, None outside of one.
        """
        return self._promotions(model_name).reverted(actor=actor, reason=reason, run_id=run_id)

    def noticed(self, model_name: str) -> Move | None:
        """Return the move that a person made in MLflow since the last call, after recording it; None if there was none."""
        if not self.exists() and not self.history(model_name):
            return None
        return self._promotions(model_name).noticed()

    def history(self, model_name: str) -> list[Move]:
        """Return every move of the alias, the oldest first."""
        return self._promotions(model_name).history()

    def _promotions(self, model_name: str) -> AliasHistory:
        from resources.models.promotions import Promotions
        from resources.state.store import state_at

        def present_version() -> str | None:
            named = self._named(model_name)
            if named:
                return named[0] or None
            with self._mlflow() as client:
                found = _none_where_missing(lambda: client.get_model_version_by_alias(model_name, CHAMPION))
            return str(found.version) if found else None

        def move_alias(version: str) -> None:
            with self._mlflow() as client:
                self._require(client, model_name, version)
                client.set_registered_model_alias(model_name, CHAMPION, version)

        def gate_verdict(version: str) -> tuple[str | None, str]:
            with self._mlflow() as client:
                found = _none_where_missing(lambda: client.get_model_version(model_name, version))
            tags = found.tags if found else {}
            return tags.get("verdict"), tags.get("verdict_reason", "")

        return Promotions(state_at(self.state), model_name, present_version, move_alias, gate_verdict)

    def _named(self, model_name: str) -> tuple[str, str] | None:
        """Return the champion's version and run id without loading MLflow, "" if there is none; None if that fails."""
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
    # A run needs the same champion many times, and building its trees takes longer than reading their file.
    from intelligence.decisions.learned_policy import POLICY_FILE, policy_from
    from intelligence.risk.model import model_from

    named = dict(files)
    return (policy_from if POLICY_FILE in named else model_from)(named, origin=origin)


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


def _none_where_missing(request: Callable[[], Any]) -> Any | None:
    """Return MLflow's answer; None if the requested item does not exist."""
    from mlflow.exceptions import MlflowException

    try:
        return request()
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise

"""Registers a trained model as a version in MLflow: one run with metrics and plots for people, one model without pickle."""

import hashlib
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from resources.models.versions import Candidate, LoggedTraining, StoredModel

DESCRIPTION = """{question}

The platform trains this model, registers each version and scores with the one that bears the alias `champion`.

**To promote a version**, move the alias `champion` to it, here or with `intelligence promote`. Within a minute the move is
written into the platform's own history (`intelligence models` shows it) and the scores are computed anew with that version.
`intelligence revert` brings the former champion back.
"""
EXPERIMENT = """{question}

Each run is one training. Its children are the candidates among which the model was chosen, and the floors, with their measures on
time that none had seen; select them and *Compare*. The model of a run is a version under *Models*, where the alias `champion` says
which one scores.
"""
# What MLflow shows as the description of a run or an experiment.
NOTE = "mlflow.note.content"
PARENT = "mlflow.parentRunId"
# Makes MLflow's UI show the views for trained models, and not those for prompts and traces.
KIND = {"mlflow.experimentKind": "custom_model_development"}
PYFUNC = Path(__file__).with_name("risk_pyfunc.py")
# Of kinds of models that another program reads.
PYFUNCS = {"policy_tree": Path(__file__).with_name("policy_pyfunc.py")}
CHECKSUM = "sha256."
CONTENT = "content"


def registered_version(
    client: Any, artifacts: Path, name: str, model: StoredModel, logged: LoggedTraining, tags: Mapping[str, str]
) -> tuple[Any, bool]:
    """Register the model unless the same one is registered, and return MLflow's version and whether it is new.

    Args:
        client: An MLflow client.
        artifacts: Folder for the artifacts of a new experiment.
        name: Name of the experiment and of the registered model.
        model: The trained model; models with the same files are the same model.
        logged: What the run shows to people.
        tags: Tags for the run and the version.
    """
    content = content_of(model)
    known = client.search_model_versions(f"name = '{name}' and tags.{CONTENT} = '{content}'")
    if known:
        _mend(client, known[0], model)
        return known[0], False
    experiment = _experiment(client, name, artifacts, EXPERIMENT.format(question=logged.question))
    _end_abandoned(client, experiment, content)
    run_id, model_id = logged_run(client, experiment, name, model, logged, {**tags, CONTENT: content})
    _describe(client, name, DESCRIPTION.format(question=logged.question))
    made = client.create_model_version(
        name,
        source=f"models:/{model_id}",
        model_id=model_id,
        run_id=run_id,
        tags=version_tags(model, logged, tags),
        description=logged.summary,
        await_creation_for=0,
    )
    return made, True


def _end_abandoned(client: Any, experiment_id: str, content: str) -> None:
    """Mark runs that killed registrations of this model left; a lock admits one registration at a time, so none is active."""
    for run in client.search_runs([experiment_id], f"tags.{CONTENT} = '{content}' and attributes.status = 'RUNNING'"):
        client.set_terminated(run.info.run_id, "KILLED")


def _mend(client: Any, found: Any, model: StoredModel) -> None:
    """Write the files of a version again if they are missing or damaged: the same model was just trained."""
    from mlflow import artifacts
    from mlflow.exceptions import MlflowException

    entry = client.get_logged_model(found.source.removeprefix("models:/"))
    with tempfile.TemporaryDirectory() as scratch:
        with suppress(OSError, MlflowException):
            folder = Path(artifacts.download_artifacts(artifact_uri=entry.artifact_location, dst_path=scratch))
            present = {file: (folder / "artifacts" / file).read_bytes() for file in model.files()}
            if checksums(present) == checksums(model.files()):
                return
        _write_model(client, entry, found.run_id, model, Path(scratch) / "anew")


def _experiment(client: Any, name: str, artifacts: Path, description: str) -> str:
    """Return the experiment's id, creating it if needed, with artifacts where both a server and a plain client find them."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found:
        if NOTE not in found.tags:
            client.set_experiment_tag(found.experiment_id, NOTE, description)
        return str(found.experiment_id)
    try:
        return str(
            client.create_experiment(name, artifact_location=artifacts.as_uri(), tags={NOTE: description, **KIND})
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return str(client.get_experiment_by_name(name).experiment_id)


def _describe(client: Any, name: str, text: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        if client.get_registered_model(name).description != text:
            client.update_registered_model(name, text)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        client.create_registered_model(name, description=text)


def checksums(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the SHA-256 of each file by name."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}


def content_of(model: StoredModel) -> str:
    """Return a digest that identifies the model: equal for models with the same files, different for all others."""
    return hashlib.sha256(json.dumps(checksums(model.files())).encode()).hexdigest()


def version_tags(model: StoredModel, logged: LoggedTraining, tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a version: its origin, its kind and the checksums that its files must match.

    Args:
        model: The trained model.
        logged: What the training logs, of which the last day and the lake's snapshot are used.
        tags: Further tags.
    """
    return {
        **tags,
        CONTENT: content_of(model),
        "kind": str(model.kind),
        **_origin(logged),
        **{f"{CHECKSUM}{name}": checksum for name, checksum in checksums(model.files()).items()},
    }


def requirements(model: StoredModel) -> list[str]:
    """Return the requirements for loading the model, pinned to the versions that it was made with."""
    names = [("mlflow",), ("numpy",), ("pandas",), *([] if "booster.ubj" not in model.files() else [_XGBOOST])]
    return [_installed(*alternatives) for alternatives in names]


# The same library under two names; which of them is installed depends on the machine.
_XGBOOST = ("xgboost", "xgboost-cpu")


def _installed(*distributions: str) -> str:
    for name in distributions:
        try:
            return f"{name}=={version(name)}"
        except PackageNotFoundError:
            continue
    raise AssertionError(f"none of {distributions} is installed, yet a model was made with it")


def logged_run(
    client: Any, experiment_id: str, name: str, model: StoredModel, logged: LoggedTraining, tags: Mapping[str, str]
) -> tuple[str, str]:
    """Return the ids of a new, finished run and of the model in it.

    The run has few tags: checksums and the like belong to the version.

    Args:
        client: An MLflow client.
        experiment_id: The experiment to which the run belongs.
        name: Name of the model, with which the run's name begins.
        model: The trained model.
        logged: What the run shows to people.
        tags: Tags of the run, among them CONTENT.
    """
    run_name = f"{name} through {logged.trained_through}"
    run = client.create_run(experiment_id, run_name=run_name, tags={**tags, NOTE: logged.summary})
    run_id = run.info.run_id
    with _ended(client, run_id), tempfile.TemporaryDirectory() as scratch:
        model_id = _logged_model(client, experiment_id, run_id, name, model, logged, Path(scratch))
        client.log_inputs(run_id, datasets=_lineage(logged))
        _log_numbers(client, run_id, model_id, logged)
        folder = _written(Path(scratch) / "files", logged.files)
        client.log_artifacts(run_id, str(folder))
        for candidate in logged.candidates:
            _log_candidate(client, experiment_id, run_id, candidate, {CONTENT: tags[CONTENT]})
    return run_id, model_id


def _log_candidate(client: Any, experiment_id: str, parent: str, candidate: Candidate, tags: Mapping[str, str]) -> None:
    from mlflow.entities import Metric

    noted = {**tags, PARENT: parent, NOTE: candidate.description}
    run_id = client.create_run(experiment_id, run_name=candidate.name, tags=noted).info.run_id
    with _ended(client, run_id):
        now = int(time.time() * 1000)
        numbers = [Metric(name, float(value), now, 0) for name, value in candidate.metrics.items()]
        client.log_batch(run_id, metrics=numbers)


@contextmanager
def _ended(client: Any, run_id: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(Exception):
            client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id, "FINISHED")


def _logged_model(
    client: Any, experiment_id: str, run_id: str, name: str, model: StoredModel, logged: LoggedTraining, scratch: Path
) -> str:
    """Log the model to the run and return its id.

    It uses the client's own calls instead of `log_model`, which works on one global tracking URI for the whole process.
    """
    from mlflow.entities import LoggedModelOutput

    params = {key: str(value) for key, value in logged.params.items()}
    entry = client.create_logged_model(experiment_id, name, source_run_id=run_id, params=params, model_type=model.kind)
    _write_model(client, entry, run_id, model, scratch)
    client.finalize_logged_model(entry.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(entry.model_id, step=0)])
    return str(entry.model_id)


def _write_model(client: Any, entry: Any, run_id: str, model: StoredModel, scratch: Path) -> None:
    import pandas as pd
    from mlflow import pyfunc
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, Schema

    files, folder = _written(scratch / "parts", model.files()), scratch / "model"
    pyfunc.save_model(
        path=str(folder),
        python_model=str(PYFUNCS.get(model.kind, PYFUNC)),
        artifacts={file: str(files / file) for file in model.files()},
        signature=ModelSignature(
            inputs=Schema([ColSpec("double", predictor, required=False) for predictor in model.predictors]),
            outputs=Schema([ColSpec("double")]),
        ),
        input_example=pd.DataFrame({predictor: [0.0] for predictor in model.predictors}),
        pip_requirements=requirements(model),
        mlflow_model=Model(
            artifact_path=entry.artifact_location, model_uuid=entry.model_id, run_id=run_id, model_id=entry.model_id
        ),
    )
    client.log_model_artifacts(entry.model_id, str(folder))


def _lineage(logged: LoggedTraining) -> list[Any]:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    return [
        DatasetInput(
            Dataset(
                name=table,
                digest=f"snapshot {logged.snapshot}",
                source_type="ducklake",
                source=json.dumps({"table": table, "snapshot": logged.snapshot}),
            ),
            tags=[InputTag("mlflow.data.context", "training")],
        )
        for table in logged.tables
    ]


def _log_numbers(client: Any, run_id: str, model_id: str, logged: LoggedTraining) -> None:
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    numbers = [Metric(name, float(value), now, 0, model_id=model_id) for name, value in logged.metrics.items()]
    for name, values in logged.steps.items():
        numbers += [Metric(name, float(value), now, step) for step, value in enumerate(values)]
    # MLflow takes at most 1,000 metrics and 100 parameters at once.
    for start in range(0, len(numbers), 1000):
        client.log_batch(run_id, metrics=numbers[start : start + 1000])
    params = [Param(name, str(value)) for name, value in {**logged.params, **_origin(logged)}.items()]
    for start in range(0, len(params), 100):
        client.log_batch(run_id, params=params[start : start + 100])


def _origin(logged: LoggedTraining) -> dict[str, str]:
    return {"trained_through": logged.trained_through, "lake_snapshot": str(logged.snapshot)}


def _written(folder: Path, files: Mapping[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder

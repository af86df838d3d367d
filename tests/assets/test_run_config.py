"""A run's config can set nothing of what the code location was composed of; what it may say changes no file and no statement."""

import dagster as dg
import pytest

from assets.definitions import definitions
from resources.config.settings import settings
from resources.platform import Platform

PLATFORM = Platform.of(settings())
DEFS = definitions(PLATFORM)
JOB = DEFS.resolve_implicit_global_asset_job_def()
FIELDS = [
    (name, field)
    for name, resource in (DEFS.resources or {}).items()
    for field in sorted({*getattr(type(resource), "model_fields", {}), "anything_else"})
]


def refused(config: object) -> str:
    """Return what the job says about the run config; raises AssertionError where it takes it."""
    with pytest.raises(dg.DagsterInvalidConfigError) as told:
        dg.validate_run_config(JOB, config)
    return str(told.value)


def test_every_resource_is_tried() -> None:
    assert {name for name, _ in FIELDS} >= {"lake", "io_manager", "product_file", "registry", "announcer", "actions"}


@pytest.mark.parametrize(("resource", "field"), FIELDS)
@pytest.mark.parametrize("value", ["other", {"env": "HOME"}, 1, None])
def test_no_field_of_a_resource_can_be_set_by_a_run(resource: str, field: str, value: object) -> None:
    assert field in refused({"resources": {resource: {"config": {field: value}}}})


@pytest.mark.parametrize("resource", sorted({name for name, _ in FIELDS}))
@pytest.mark.parametrize("config", ["text", 1, ["catalog"], {"lake": {"config": {"scratch": "x"}}}])
def test_a_resource_takes_no_config_of_another_shape(resource: str, config: object) -> None:
    assert f"root:resources:{resource}:config" in refused({"resources": {resource: {"config": config}}})


@pytest.mark.parametrize(
    ("config", "entry"),
    [
        (
            {"resources": {"lake": {"scratch": "'; COPY (SELECT 1) TO '/tmp/x'; --"}}},
            '"scratch" at path root:resources:lake',
        ),
        ({"execution": {"config": {"multiprocess": {}}}}, '"multiprocess" at path root:execution:config'),
        (
            {"execution": {"config": {"start_method": {"spawn": {"preload_modules": ["os"]}}}}},
            '"start_method" at path root:execution:config',
        ),
        ({"loggers": {"file": {"config": {"path": "/tmp/log"}}}}, '"file" at path root:loggers'),
        ({"io_manager": {"base_dir": "/tmp"}}, '"io_manager" at the root'),
        ({"inputs": {"events": "anything"}}, '"inputs" at the root'),
    ],
)
def test_nothing_else_that_reaches_files_can_be_set(config: object, entry: str) -> None:
    assert f"unexpected config entry {entry}" in refused(config)


def test_a_run_without_config_is_valid() -> None:
    assert dg.validate_run_config(JOB, {})


def test_what_was_composed_is_what_a_run_sees() -> None:
    with dg.build_resources({"lake": (DEFS.resources or {})["lake"]}) as built:
        assert built.lake == PLATFORM.lake
        assert built.lake.is_of_a_run

"""Resources whose values are set where the code location is composed and cannot be changed by run config."""

import dagster as dg

# Dagster has no public way to let a resource refuse run config: this is the type of the property that it reads.
from dagster._core.definitions.definition_config_schema import (
    IDefinitionConfigSchema,
    convert_user_facing_definition_config_schema,
)


class Fixed:
    """Makes a resource accept no run config: its values name files, servers and statements, which only the operator chooses."""

    @property
    def _config_schema(self) -> IDefinitionConfigSchema:
        return convert_user_facing_definition_config_schema(dg.Field({}, is_required=False))


def fixed(value: object) -> dg.ResourceDefinition:
    """Return the value as a resource that accepts no run config."""
    return dg.ResourceDefinition(lambda _: value, config_schema=dg.Field({}, is_required=False))

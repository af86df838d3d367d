"""What every resource of the platform is: set where the code location is composed, and by nothing that starts a run."""

import dagster as dg

# No public name lets a resource refuse run config: this is the type of the property that Dagster asks.
from dagster._core.definitions.definition_config_schema import (
    IDefinitionConfigSchema,
    convert_user_facing_definition_config_schema,
)


class Fixed:
    """Lets a resource take no run config: its values name files, servers and statements, which the operator alone chooses."""

    @property
    def _config_schema(self) -> IDefinitionConfigSchema:
        return convert_user_facing_definition_config_schema(dg.Field({}, is_required=False))


def fixed(value: object) -> dg.ResourceDefinition:
    """Return the value as a resource that takes no run config either."""
    return dg.ResourceDefinition(lambda _: value, config_schema=dg.Field({}, is_required=False))

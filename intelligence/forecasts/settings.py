"""The section `forecasts` of product.yaml."""

from pydantic import Field

from intelligence.core.sections import Section


class Forecasts(Section):
    """How far ahead figures are forecast, and of what."""

    days: int = Field(90, ge=7, le=90)
    features: int = Field(8, ge=0, le=100)
    segments: int = Field(6, ge=0, le=50)

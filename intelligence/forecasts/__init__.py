"""Forecasts: what comes next of each figure of the product, with intervals whose coverage was measured."""

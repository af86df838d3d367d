"""Signals: what is unusual today, and what drifts towards a broken promise, measured against the product's own past.

Series of metrics, detectors of points, shifts and trends, their calibration to the rate of false alarms that the product asks for,
the guards that keep them silent, and the grouping into episodes belong here, as functions of frames and values. Whether a promise is
broken belongs to `metrics`; why something moved belongs to `causality`; what is done about it belongs to `decisions`.
"""

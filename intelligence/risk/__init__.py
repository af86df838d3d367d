"""Risk: calibrated probabilities that a feature degrades or a user leaves, with reasons, and the models that give them.

Panels, training, evaluation, calibration, the promotion gate and the texts about them belong here, as functions of frames and
values. Health states belong to `intelligence.metrics`, drift to `intelligence.drift`; the model registry, artifacts and runs
belong to `resources` and `assets`.
"""

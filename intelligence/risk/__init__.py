"""Risk: what is about to go wrong, as calibrated probabilities with reasons, and models that can be trusted with it."""

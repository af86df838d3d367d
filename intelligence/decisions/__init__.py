"""From evidence to a decision with its reasons: what would be done to which feature, how far alone, and why not more."""

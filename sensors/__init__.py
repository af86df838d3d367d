"""Who asks out of turn: read state, decide by a function of `intelligence`, request a run."""

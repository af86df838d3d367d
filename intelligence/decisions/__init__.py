"""The policy: which action it would take on each feature, how much of it without a person, and why nothing stronger.

Evidence in, decisions out, as pure functions; the replay and the backtest of the policy belong here too. Carrying a decision
out does not: `intelligence/actions` and `resources/outbox` do that.
"""

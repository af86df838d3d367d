"""Actions: what is to be done in the outside world because of a decision, and in which words."""

"""What is true: pure functions from frames and values to frames and values, and the SQL of every layer."""

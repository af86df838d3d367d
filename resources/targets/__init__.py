"""Where actions go. Each target has a local twin in `resources/twins`, and asks before it does anything twice."""

"""One module for each page of the dashboard, each with a function that shows it."""

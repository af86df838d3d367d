"""The one guard before every port that is opened, and the servers behind it. What is served belongs to the other rooms."""

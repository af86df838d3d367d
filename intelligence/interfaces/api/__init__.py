"""The API over HTTP: everything that the platform knows, to read."""

"""Identity over HTTP: parses requests, calls the services, renders answers."""

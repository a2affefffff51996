"""The project's own migrations: finding files, comparing them with the history, applying them."""

"""The routes: what HTTP says, as the services take it, and back."""

"""Files for new projects and new plugins."""

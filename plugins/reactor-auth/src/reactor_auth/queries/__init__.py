"""Every statement of identity, by theme; a query builds a statement and runs nothing."""

"""Signing in with other providers: who they are, and what they say of a person."""

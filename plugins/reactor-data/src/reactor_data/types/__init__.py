"""The exposed schemas as types of the languages that clients are written in."""

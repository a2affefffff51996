"""Identity on the command line: `reactor login`, `logout`, `whoami` and the group `reactor auth`."""

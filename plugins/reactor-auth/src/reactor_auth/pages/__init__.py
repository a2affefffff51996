"""The HTML this server shows to people: plain, without script, themable by `[auth.pages]`."""

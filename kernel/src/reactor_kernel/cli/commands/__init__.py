"""One module per command of the kernel; each is imported when its command runs and holds it as `command`."""

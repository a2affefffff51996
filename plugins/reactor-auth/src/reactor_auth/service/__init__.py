"""What identity does; knows no HTTP."""

"""`reactor data`: what the server's administration routes offer, on the command line."""

"""`reactor storage`: buckets and objects on the command line."""

"""Changes of rows: recorded by triggers in the writer's transaction, read once a process, handed to who may see them."""

"""What the database has: relations, columns, keys, types, as an immutable snapshot that follows changes."""

"""What policies, grants and functions say and rarely mean: findings about a database, and about migration files."""

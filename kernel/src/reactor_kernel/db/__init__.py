"""The only place where a database connection opens: pool, transactions, migrations, leadership."""

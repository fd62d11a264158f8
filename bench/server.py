"""A PostgreSQL server of the bench's own, in a temporary folder, with a city and pgbench's tables side by side."""

"""Alembic's entry: runs the migrations on the connection that ``persistence_worker.migrate`` made.

Each revision is a transaction of its own, so that one may use ``autocommit_block`` for what
PostgreSQL does not do inside a transaction (``CREATE INDEX CONCURRENTLY``).
"""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()

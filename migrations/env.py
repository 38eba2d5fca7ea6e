"""Alembic's entry: the connection is handed over by `kernel.migrations.migrate`, already acting as shifty_owner."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transaction_per_migration=False)
with context.begin_transaction():
    context.run_migrations()

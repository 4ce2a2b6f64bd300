"""How Alembic runs our migrations: on a connection that is open and in a transaction already."""

from alembic import context

from adapters.persistence.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    compare_server_default=True,
)
context.run_migrations()

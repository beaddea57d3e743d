# SPDX-License-Identifier: Apache-2.0
"""How alembic reaches the app's database and its models."""
from logging.config import fileConfig

from alembic import context
from flask import current_app

config = context.config
fileConfig(config.config_file_name, disable_existing_loggers=False)
database = current_app.extensions["migrate"].db


def run_online():
    with database.engine.connect() as connection:
        context.configure(connection=connection, target_metadata=database.metadata,
                          render_as_batch=True)
        with context.begin_transaction():
            context.run_migrations()


def run_offline():
    context.configure(url=str(database.engine.url), target_metadata=database.metadata,
                      literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    run_online()

"""when an entry was made"""
from alembic import op
import sqlalchemy as sa

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table("entries") as table:
        table.add_column(sa.Column("created", sa.DateTime(), nullable=False,
                                   server_default=sa.func.now()))
        table.create_index("ix_entries_created", ["created"])


def downgrade():
    with op.batch_alter_table("entries") as table:
        table.drop_index("ix_entries_created")
        table.drop_column("created")

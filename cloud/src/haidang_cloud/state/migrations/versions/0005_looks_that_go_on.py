"""How long and how often somebody looked; old lines are found by their end."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    with op.batch_alter_table("blob_access") as table:
        table.add_column(sa.Column("last_ns", sa.BigInteger(), nullable=False, server_default="0"))
        table.add_column(sa.Column("looks", sa.BigInteger(), nullable=False, server_default="1"))
    op.execute("UPDATE blob_access SET last_ns = at_ns")
    op.create_index("ix_blob_access_going_on", "blob_access", ["centre", "actor", "why", "last_ns"])
    op.create_index("ix_blob_access_last", "blob_access", ["centre", "last_ns"])


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_blob_access_last", "blob_access")
    op.drop_index("ix_blob_access_going_on", "blob_access")
    with op.batch_alter_table("blob_access") as table:
        table.drop_column("looks")
        table.drop_column("last_ns")

"""What a version's texts declare is kept beside them: YAML takes seconds where cameras are many."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change; versions that stand already are read from their texts."""
    with op.batch_alter_table("catalogue_version") as table:
        table.add_column(sa.Column("checked", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """Take it back."""
    with op.batch_alter_table("catalogue_version") as table:
        table.drop_column("checked")

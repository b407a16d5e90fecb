"""What nodes were told last, by whom and at which topics: no worker tells less than another one."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "desired_told",
        sa.Column("centre", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("topics", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("centre", name=op.f("pk_desired_told")),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("desired_told")

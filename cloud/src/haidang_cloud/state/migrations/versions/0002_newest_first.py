"""What changed last, and the newest pictures, are found without reading everything."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_index("ix_case_changed", "case", ["centre", "changed_ns"])
    op.create_index("ix_blob_created", "blob", ["centre", "created_ns"])


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_blob_created", "blob")
    op.drop_index("ix_case_changed", "case")

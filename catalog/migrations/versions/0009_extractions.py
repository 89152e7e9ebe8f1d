"""Attributes found in products' texts."""

import sqlalchemy as sa
from alembic import op


revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "extractions",
        sa.Column("reader", sa.String(length=200), nullable=False),
        sa.Column("text_hash", sa.String(length=64), nullable=False),
        sa.Column("said", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("reader", "text_hash", name=op.f("pk_extractions")),
    )
    op.add_column("attributes", sa.Column("span", sa.Text(), server_default="", nullable=False))
    op.add_column("attributes", sa.Column("confidence", sa.Float(), server_default="1", nullable=False))


def downgrade() -> None:
    op.execute("DELETE FROM attributes WHERE span <> ''")
    op.drop_column("attributes", "confidence")
    op.drop_column("attributes", "span")
    op.drop_table("extractions")

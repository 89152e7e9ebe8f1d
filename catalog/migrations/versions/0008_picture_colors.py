"""Colours that pictures show."""

import sqlalchemy as sa
from alembic import op


revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "picture_colors",
        sa.Column("picture_hash", sa.String(length=64), nullable=False),
        sa.Column("color", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("picture_hash", "color", name=op.f("pk_picture_colors")),
    )


def downgrade() -> None:
    op.drop_table("picture_colors")

"""Where an interaction happened, and what a shopper wants forgotten."""

import sqlalchemy as sa
from alembic import op


revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("interactions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("session", sa.String(length=64), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("position", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("size", sa.String(length=100), nullable=False, server_default=""))
    op.create_table(
        "forgotten",
        sa.Column("shopper_id", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["shopper_id"], ["shoppers.id"], name=op.f("fk_forgotten_shopper_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("shopper_id", "name", name=op.f("pk_forgotten")),
    )


def downgrade() -> None:
    op.drop_table("forgotten")
    with op.batch_alter_table("interactions", schema=None) as batch_op:
        batch_op.drop_column("size")
        batch_op.drop_column("position")
        batch_op.drop_column("session")

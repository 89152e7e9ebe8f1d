"""The version of the catalog that last wrote a product: what is kept in memory reads again only what is new."""

import sqlalchemy as sa
from alembic import op


revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("products", sa.Column("changed", sa.Integer(), server_default="0", nullable=False))
    op.create_index("ix_products_changed", "products", ["changed"])


def downgrade() -> None:
    op.drop_index("ix_products_changed", "products")
    op.drop_column("products", "changed")

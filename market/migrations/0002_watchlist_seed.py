"""The three index values every feed starts with (dhan.md section 8: ids on segment IDX_I)."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

INDICES = {"13": "NIFTY", "25": "BANKNIFTY", "51": "SENSEX"}


def seed(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Add what is missing; the master import links each item to its instrument."""
    item = apps.get_model("market", "WatchlistItem")
    for security_id, label in INDICES.items():
        item.objects.get_or_create(
            segment="IDX_I", security_id=security_id, defaults={"kind": "index_value", "label": label}
        )


class Migration(migrations.Migration):
    dependencies = [("market", "0001_initial")]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]

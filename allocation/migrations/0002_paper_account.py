"""A paper account to practise on; live accounts are made by their owner."""

from django.apps.registry import Apps
from django.conf import settings
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def seed(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """One paper account; the allocator may mark on it, as on every paper account."""
    apps.get_model("allocation", "Account").objects.get_or_create(
        name="paper", defaults={"mode": "paper", "capital": settings.PAPER_CAPITAL}
    )


class Migration(migrations.Migration):
    dependencies = [("allocation", "0001_initial")]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]

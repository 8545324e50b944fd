"""Count the bytes of what is stored already, some rows at a time."""

from django.db import migrations, router

from dasf_broker.domain.sizes import json_size

#: Rows loaded at once: they may be large.
STEP = 50


def fill(apps, schema_editor):
    using = schema_editor.connection.alias
    for name, column in (("BrokerMessage", "content"), ("BrokerTopic", "api_info")):
        model = apps.get_model("dasf_broker", name)
        if router.allow_migrate_model(using, model):
            _fill(model.objects.using(using), column)


def _fill(rows, column):
    position = 0
    while page := list(
        rows.filter(pk__gt=position, size=None).only("pk", column).order_by("pk")[:STEP]
    ):
        for row in page:
            value = getattr(row, column)
            row.size = 0 if value is None else json_size(value)
        rows.bulk_update(page, ["size"])
        position = page[-1].pk


class Migration(migrations.Migration):
    # Each step is committed by itself, and what is done need not be done again.
    atomic = False

    dependencies = [
        ('dasf_broker', '0008_size'),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]

"""Give the messages that are stored already their fingerprints, some at a time."""

from django.db import migrations, router

from dasf_broker.domain.fingerprints import fingerprint

#: Messages loaded at once: they may be large.
STEP = 50


def fill(apps, schema_editor):
    using = schema_editor.connection.alias
    model = apps.get_model("dasf_broker", "BrokerMessage")
    if router.allow_migrate_model(using, model):
        _fill(model.objects.using(using))


def _fill(messages):
    position = 0
    while page := list(
        messages.filter(pk__gt=position, fingerprint="").order_by("pk")[:STEP]
    ):
        for message in page:
            message.fingerprint = fingerprint(message.content)
        messages.bulk_update(page, ["fingerprint"])
        position = page[-1].pk


class Migration(migrations.Migration):
    # Each step is committed by itself, and what is done need not be done again.
    atomic = False

    dependencies = [
        ('dasf_broker', '0003_memory_and_retention'),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]

"""Mark response topics without a mark: those of servers that were killed would stay for ever.

Servers move the marks of those that have consumers ahead.
"""

from datetime import timedelta

from django.db import migrations, router
from django.utils import timezone

#: Topics marked in one transaction.
STEP = 500


def mark(apps, schema_editor):
    using = schema_editor.connection.alias
    model = apps.get_model("dasf_broker", "BrokerTopic")
    if router.allow_migrate_model(using, model):
        _mark(model.objects.using(using).order_by("pk"))


def _mark(topics):
    unmarked = topics.filter(responsetopic__isnull=False, garbage_collect_on=None)
    due = timezone.now() + timedelta(hours=24)
    while page := list(unmarked.values_list("pk", flat=True)[:STEP]):
        topics.filter(pk__in=page).update(garbage_collect_on=due)


class Migration(migrations.Migration):
    # Each step is committed by itself, and what is done need not be done again.
    atomic = False

    dependencies = [
        ('dasf_broker', '0012_deleted_topics'),
    ]

    operations = [
        migrations.RunPython(mark, migrations.RunPython.noop),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('dasf_broker', '0006_context_index'),
    ]

    operations = [
        # Only new topics: Django sets the default itself, and the database has none. Left to
        # AlterField, SQLite would copy the whole table.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name='brokertopic',
                    name='supports_dasf',
                    field=models.BooleanField(default=True, help_text='The consumers of the topic answer pings.', verbose_name='supports DASF'),
                ),
            ],
        ),
    ]

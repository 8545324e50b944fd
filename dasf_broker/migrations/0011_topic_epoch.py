from django.db import migrations, models

import dasf_broker.domain.epochs


class Migration(migrations.Migration):

    dependencies = [
        ('dasf_broker', '0010_large_rows'),
    ]

    operations = [
        # The topics that are there get the epoch 0, and their cursors stay valid.
        migrations.AddField(
            model_name='brokertopic',
            name='epoch',
            field=models.PositiveBigIntegerField(db_default=0, default=dasf_broker.domain.epochs.next_epoch, editable=False, help_text='A new one begins when the database was restored; it is part of cursors.', verbose_name='epoch'),
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('dasf_broker', '0011_topic_epoch'),
    ]

    operations = [
        migrations.AddField(
            model_name='lease',
            name='length',
            field=models.DurationField(editable=False, null=True, verbose_name='length'),
        ),
        migrations.AddField(
            model_name='brokertopic',
            name='deleted_on',
            field=models.DateTimeField(blank=True, editable=False, help_text='Since then nobody finds the topic; its rows are being removed.', null=True, verbose_name='deleted on'),
        ),
        migrations.AddIndex(
            model_name='brokertopic',
            index=models.Index(condition=models.Q(('deleted_on__isnull', False)), fields=['id'], name='dasf_broker_deleted'),
        ),
    ]

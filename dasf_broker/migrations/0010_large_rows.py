from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('dasf_broker', '0009_fill_sizes'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='brokermessage',
            index=models.Index(condition=models.Q(('size__gt', 4096)), fields=['topic', 'sequence', 'size'], name='dasf_broker_large_messages'),
        ),
        migrations.AddIndex(
            model_name='brokertopic',
            index=models.Index(condition=models.Q(('size__gt', 4096)), fields=['id', 'size'], name='dasf_broker_large_topics'),
        ),
    ]

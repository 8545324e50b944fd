from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('dasf_broker', '0010_large_rows'),
    ]

    operations = [
        migrations.AddField(
            model_name='lease',
            name='length',
            field=models.DurationField(editable=False, null=True, verbose_name='length'),
        ),
    ]

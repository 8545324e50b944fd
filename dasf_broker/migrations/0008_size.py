from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('dasf_broker', '0007_supports_dasf_by_default'),
    ]

    operations = [
        # Without a default, so that no row is written again.
        migrations.AddField(
            model_name='brokermessage',
            name='size',
            field=models.IntegerField(editable=False, help_text='Bytes of the content.', null=True, verbose_name='size'),
        ),
        migrations.AddField(
            model_name='brokertopic',
            name='size',
            field=models.IntegerField(editable=False, help_text='Bytes of the API description.', null=True, verbose_name='size'),
        ),
    ]

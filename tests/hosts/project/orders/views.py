from django.db import IntegrityError, transaction
from django.http import HttpResponse

from dasf_broker import publish

from .models import Order


def order(request):
    first = Order.objects.create(item="book")
    publish("orders", data={"item": first.item}, user=request.user)
    try:
        with transaction.atomic():
            publish("orders", data={"item": "the same again"}, user=request.user)
            Order.objects.create(pk=first.pk)
    except IntegrityError:
        pass
    return HttpResponse(status=201)

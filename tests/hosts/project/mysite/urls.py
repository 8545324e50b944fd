from django.urls import include, path
from orders import views

urlpatterns = [path("", include("dasf_broker.urls")), path("orders/", views.order)]

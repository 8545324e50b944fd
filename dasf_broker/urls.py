"""The HTTP endpoints: ``path("", include("dasf_broker.urls"))`` serves GraphQL at ``/graphql/``."""

from django.urls import path

from dasf_broker.transports.http.django_view import GraphQLView
from dasf_broker.views import BrokerTopicPingView, BrokerTopicStatusView

app_name = "dasf_broker"

urlpatterns = [
    path("graphql/", GraphQLView.as_view(), name="graphql"),
    path("<slug:slug>/status/", BrokerTopicStatusView.as_view(), name="brokertopic-status"),
    path("<slug:slug>/ping/", BrokerTopicPingView.as_view(), name="brokertopic-ping"),
]

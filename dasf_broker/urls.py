"""The HTTP doors: ``path("", include("dasf_broker.urls"))`` serves GraphQL at ``/graphql/``."""

from django.urls import path

from dasf_broker.transports.graphql_http import GraphQLView

app_name = "dasf_broker"

urlpatterns = [
    path("graphql/", GraphQLView.as_view(), name="graphql"),
]

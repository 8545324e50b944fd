"""The Django app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DasfBrokerConfig(AppConfig):
    """A message broker whose API is GraphQL."""

    name = "dasf_broker"
    verbose_name = _("message broker")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks and the router, and give models the operations that they call."""
        from dasf_broker import checks, primary  # noqa: F401 - checks register themselves
        from dasf_broker.domain.ports import port
        from dasf_broker.operations.model_methods import ModelMethods

        port.connect(ModelMethods())
        primary.install()

"""Leases: they decide which of several processes does work that only one may do at a time."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from dasf_broker.models.date_times import DateTimeField


class Lease(models.Model):
    """A piece of work that one process holds, until it is done or the time is over."""

    name = models.CharField(_("name"), max_length=64, unique=True)
    holder = models.CharField(_("holder"), max_length=128)
    expires = DateTimeField(_("expires"))
    #: How long it was taken for; a server of an older release does not say.
    length = models.DurationField(_("length"), null=True, editable=False)

    class Meta:
        verbose_name = _("lease")
        verbose_name_plural = _("leases")

    def __str__(self) -> str:
        return f"{self.name}: {self.holder}"

"""Tokens with which scripts and browser apps call the broker."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from dasf_broker.models.date_times import DateTimeField


class ApiToken(models.Model):
    """A key that lets a script or a browser app call the broker as a user.

    Only a digest of the key is stored. ``prefix`` is the public part, by which users recognise
    their keys.
    """

    #: ``last_used`` is not written more often than this.
    LAST_USED_STEP = timedelta(minutes=1)

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="dasf_tokens",
        verbose_name=_("user"),
    )
    label = models.CharField(_("label"), max_length=128, blank=True)
    prefix = models.CharField(_("prefix"), max_length=16, unique=True, editable=False)
    digest = models.CharField(_("digest"), max_length=64, editable=False)
    date_created = DateTimeField(_("created"), auto_now_add=True)
    expires = DateTimeField(_("expires"), null=True, blank=True)
    revoked = DateTimeField(_("revoked"), null=True, blank=True, editable=False)
    last_used = DateTimeField(_("last used"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ("-date_created",)

    def __str__(self) -> str:
        return f"{self.prefix}... ({self.label})" if self.label else f"{self.prefix}..."

    def is_usable(self, now: datetime) -> bool:
        """Tell whether the token is still valid."""
        return self.revoked is None and (self.expires is None or self.expires > now)

"""Tokens in the admin: create one, see its key once, revoke it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.db.models import ForeignKey, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from dasf_broker import clock
from dasf_broker.auth import create_token
from dasf_broker.models import ApiToken
from dasf_broker.operations.caller import Caller

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[ApiToken]
else:
    ModelAdmin = admin.ModelAdmin


@admin.register(ApiToken)
class ApiTokenAdmin(ModelAdmin):
    """Tokens. A token is as good as a login as its owner.

    So users create tokens for themselves only, and change the label and the end of their own only;
    a superuser does both for everybody. Whoever may change tokens may revoke those of others.
    """

    list_display = ("prefix", "label", "user", "is_usable", "date_created", "expires", "last_used")
    list_select_related = ("user",)
    list_filter = (("revoked", admin.EmptyFieldListFilter), "expires")
    search_fields = ("prefix", "label")
    show_full_result_count = False
    raw_id_fields = ("user",)
    actions = ("revoke",)

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> tuple[str, ...]:  # noqa: ARG002
        """Return the shown fields: for a new token those that can be chosen."""
        chosen = ("user", "label", "expires")
        return chosen if obj is None else ("prefix", *chosen, *self._facts)

    def get_readonly_fields(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: ApiToken | None = None,
    ) -> tuple[str, ...]:
        """Return the fields that cannot be changed, such as the owner of the token."""
        return () if obj is None else ("prefix", "user", *self._facts)

    _facts = ("date_created", "last_used", "revoked")

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """Tell whether the user may change the token: to prolong it is to create one."""
        is_own = obj is None or request.user.is_superuser or obj.user_id == request.user.pk
        return is_own and super().has_change_permission(request, obj)

    @admin.display(description=_("usable"), boolean=True)
    def is_usable(self, token: ApiToken) -> bool:
        """Show whether the token is still valid."""
        return token.is_usable(clock.now())

    @admin.action(description=_("Revoke"), permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        """Revoke the tokens for good; those that ended before keep their time."""
        count = queryset.filter(revoked__isnull=True).update(revoked=clock.now())
        text = ngettext("%d token was revoked.", "%d tokens were revoked.", count)
        self.message_user(request, text % count, messages.SUCCESS)

    # --- a new token --------------------------------------------------------------------------

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Propose the user's own name."""
        return {"user": request.user.pk, **super().get_changeform_initial_data(request)}

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        """Let only superusers create tokens for other users."""
        people: QuerySet[Any] = get_user_model()._default_manager.all()
        if not request.user.is_superuser:
            people = people.filter(pk=Caller.of(request.user).user.pk)
        return super().formfield_for_foreignkey(db_field, request, queryset=people, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Create the token, or save its label and its end."""
        if change:
            super().save_model(request, obj, form, change)
            return
        token, key = create_token(obj.user, label=obj.label, expires=obj.expires)
        obj.pk, obj.prefix, obj.new_key = token.pk, token.prefix, key

    def response_add(
        self,
        request: HttpRequest,
        obj: Any,
        post_url_continue: str | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        """Show the key, now and never again.

        It is in the response itself: a redirect would have put it into a cookie or the session.
        """
        context = self.admin_site.each_context(request) | {
            "title": _("The new key"),
            "opts": self.opts,
            "token": obj,
        }
        return TemplateResponse(request, "dasf_broker/admin/token_created.html", context)

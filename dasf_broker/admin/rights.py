"""The forms of guardian's pages for object permissions, which call our operations.

An operation does more than guardian's own forms, which only write rows: it wakes subscribers that
wait for a topic, and removes messages that no consumer still has to acknowledge.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from guardian.admin import AdminGroupObjectPermissionsForm, AdminUserObjectPermissionsForm

from dasf_broker import primary
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.topics import GRANTABLE, grant_permission, revoke_permission
from dasf_broker.permissions import Right

if TYPE_CHECKING:
    from guardian.forms import BaseObjectPermissionsForm
else:
    BaseObjectPermissionsForm = object


class _RightsForm(BaseObjectPermissionsForm):
    """The base class of the two forms."""

    #: The user who gives and takes the rights.
    caller: ClassVar[Caller]

    def get_obj_perms_field_choices(self) -> list[Any]:
        """Return the rights that can be held on one topic."""
        return [each for each in super().get_obj_perms_field_choices() if each[0] in GRANTABLE]

    def save_obj_perms(self) -> None:
        """Give the rights that were selected, and take those that no longer are."""
        chosen = set(self.cleaned_data[self.get_obj_perms_field_name()])
        slug, holder = self.obj.slug, self.holder()  # type: ignore[attr-defined]
        with primary.atomic():
            held = GRANTABLE.intersection(self.get_obj_perms_field_initial())
            for right in _in_order(chosen - held):
                grant_permission(self.caller, slug, right, **holder)
            for right in _in_order(held - chosen):
                revoke_permission(self.caller, slug, right, **holder)

    def holder(self) -> dict[str, str | None]:
        """Return the holder of the rights as an argument of the operations."""
        raise NotImplementedError


class UserRightsForm(_RightsForm, AdminUserObjectPermissionsForm):
    """The rights of a user on a topic."""

    def holder(self) -> dict[str, str | None]:
        """Return the user."""
        return {"username": self.user.get_username(), "group": None}


class GroupRightsForm(_RightsForm, AdminGroupObjectPermissionsForm):
    """The rights of a group on a topic."""

    def holder(self) -> dict[str, str | None]:
        """Return the group."""
        return {"username": None, "group": self.group.name}


def form_of(caller: Caller, kind: type[_RightsForm]) -> type[Any]:
    """Return a form class bound to this caller: guardian asks for a class, not for a form."""
    return type(kind.__name__, (kind,), {"caller": caller})


def _in_order(rights: Iterable[str]) -> list[Right]:
    return sorted(Right(right) for right in rights)

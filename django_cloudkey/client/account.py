"""Who calls: ``user``, ``organisation`` and ``system``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .remote import JSON, RemoteObject, remote


class User(RemoteObject):
    """The account that calls, or that it acts as, and those that it manages."""

    @remote
    def info(self, *, id: str | None = None, fields: Sequence[str] | None = None) -> JSON:
        """
        Return the *fields* of a user as a dict, all of them by default.

        Args:
            id: Of another user of the organisation that the caller manages; its own by default.
            fields: Such as ``["id", "username"]``.

        Raises:
            AuthenticationError: the caller does not manage *id*.
        """
        return self._call("info", id=id, fields=fields)

    @remote
    def whoami(self) -> JSON:
        """Return all fields of the user: who calls, or whom the caller acts as."""
        return self._call("whoami")

    @remote
    def search(
        self,
        *,
        org_id: str | None = None,
        fields: Sequence[str] | None = None,
        page: int | None = None,
        per_page: int | None = None,
    ) -> JSON:
        """
        Return one page of the users of the organisation that the caller manages, as
        ``media.list`` does of media.

        Args:
            org_id: Its id; there is only one that the caller may name.
            fields: Of each user, as for :meth:`info`.
            page: Number of the page, from 1.
            per_page: Users on a page, 10 by default and at most 100.

        Raises:
            AuthenticationError: the caller manages none, or another one.
        """
        return self._call("search", org_id=org_id, fields=fields, page=page, per_page=per_page)

    @remote
    def create(self, *, username: str, password: str | None = None) -> JSON:
        """Create a user and return its id; the cloud of this package refuses this to everybody."""
        return self._call("create", username=username, password=password)

    @remote
    def set(self, *, id: str | None = None, fields: Mapping[str, JSON]) -> JSON:
        """Change a user, or create one without *id*; refused as :meth:`create` is."""
        return self._call("set", id=id, fields=fields)

    @remote
    def delete(self, *, id: str) -> JSON:
        """Delete a user; refused as :meth:`create` is."""
        return self._call("delete", id=id)

    @remote
    def list(self) -> JSON:
        """Return all users; refused as :meth:`create` is. A manager has :meth:`search`."""
        return self._call("list")


class Organisation(RemoteObject):
    """The users that belong together."""

    @remote
    def get(self) -> JSON:
        """
        Return ``{"id", "name"}`` of the organisation that the caller manages.

        Raises:
            AuthenticationError: it manages none.
        """
        return self._call("get")


class System(RemoteObject):
    """What only accounts for tests may do."""

    @remote
    def reset(self, *, object: str = "media") -> JSON:
        """
        Delete **all media** of an account for tests.

        Raises:
            AuthenticationError: the account is not one for tests.
        """
        return self._call("reset", object=object)

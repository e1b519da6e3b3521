"""Transactions and connections of the database that holds the cloud's rows."""

from __future__ import annotations

from django.db import connections, transaction

from ..conf import cloud


def atomic() -> transaction.Atomic:
    """Return a transaction on the cloud's database."""
    return transaction.atomic(using=cloud.database)


def disconnect() -> None:
    """
    Close this thread's connection to the cloud's database; the next query opens another.

    One that broke stays broken, and outside of requests nobody else closes it.
    """
    connections[cloud.database].close()

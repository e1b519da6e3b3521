"""A project whose users are its own, with keys that are no numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ..processes import ROOT

FILES = {
    "people/__init__.py": "",
    "people/models.py": """
import uuid
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django_cloudkey.fields import MediaField

class Person(AbstractBaseUser, PermissionsMixin):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.EmailField(unique=True)
    portrait = MediaField(blank=True)
    USERNAME_FIELD = "email"
""",
    "project.py": """
SECRET_KEY = "not-a-secret-key-only-tests-use-it"
INSTALLED_APPS = [
    "django.contrib.contenttypes", "django.contrib.auth", "people", "django_cloudkey"
]
AUTH_USER_MODEL = "people.Person"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "site.sqlite3"}}
USE_TZ = True
""",
    "use.py": """
import django
django.setup()
from django.core.management import call_command
call_command("makemigrations", "people", verbosity=0)
call_command("migrate", verbosity=0)
call_command("makemigrations", check=True, verbosity=0)
call_command("check")
from django_cloudkey.models import Upload
from people.models import Person
person = Person.objects.create(email="a@example.org", portrait="4d0c0ffee0000000000000aa")
upload = Upload.objects.create(owner=person, field="f", account="default", name="n", size=1)
assert Upload.objects.get(owner=person.pk) == upload
assert Person.objects.get().portrait == "4d0c0ffee0000000000000aa"
person.delete()
assert Upload.objects.get().owner is None
""",
}


def test_users_of_the_project_upload_and_have_media(tmp_path: Path) -> None:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    where = os.pathsep.join([str(tmp_path), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": where, "DJANGO_SETTINGS_MODULE": "project"}

    done = subprocess.run(
        [sys.executable, "-W", "error", "use.py"], cwd=tmp_path, env=environment,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr

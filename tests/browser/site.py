"""Pages of a site outside the admin: a formset, and fields that are required, disabled, limited."""

from __future__ import annotations

from typing import Any

from django import forms
from django.forms import modelformset_factory
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import path

from tests.testapp.models import Lesson

from ..urls import urlpatterns as others

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Lessons</title>
{{ formset.media }}
</head>
<body>
<main>
<h1>Lessons</h1>
<form method="post" enctype="multipart/form-data">
{% csrf_token %}
{{ formset }}
<button>Save</button>
</form>
</main>
</body>
</html>"""


class LessonForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Lesson
        fields = ["title", "video"]

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["video"].bind_user(user)  # type: ignore[attr-defined]


LessonFormSet = modelformset_factory(Lesson, form=LessonForm, extra=1)


def lessons(request: HttpRequest) -> HttpResponse:
    is_sent = request.method == "POST"
    formset = LessonFormSet(
        request.POST if is_sent else None,
        request.FILES if is_sent else None,
        prefix="own",
        form_kwargs={"user": request.user},
        queryset=Lesson.objects.order_by("pk"),
    )
    for form in formset.forms[:1]:
        form.fields["video"].disabled = "disabled" in request.GET
    if is_sent and formset.is_valid():
        formset.save()
        return HttpResponse("saved")
    page = engines["django"].from_string(PAGE)
    return HttpResponse(page.render({"formset": formset}, request))


urlpatterns = [*others, path("lessons/", lessons)]

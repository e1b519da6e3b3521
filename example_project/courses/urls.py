from __future__ import annotations

from django.urls import path

from . import views

app_name = "courses"
urlpatterns = [
    path("", views.home, name="home"),
    path("<slug:course>/", views.course, name="course"),
    path("<slug:course>/<slug:lesson>/", views.lesson, name="lesson"),
]

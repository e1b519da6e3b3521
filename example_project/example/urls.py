from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.views.decorators import staff_member_required
from django.contrib.auth import views as auth
from django.templatetags.static import static as static_url
from django.urls import include, path
from django.views.generic import RedirectView
from django.views.static import serve

originals = staff_member_required(serve)

urlpatterns = [
    path("admin/", admin.site.urls),
    path(
        "accounts/login/",
        auth.LoginView.as_view(
            template_name="courses/login.html", redirect_authenticated_user=True
        ),
        name="login",
    ),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path("cloud/", include("django_cloudkey.server.urls")),
    path("cloudkey/", include("django_cloudkey.urls")),
    # Uploaded originals are nobody's but the staff's.
    path("media/<path:path>", originals, {"document_root": settings.MEDIA_ROOT}),
    path("favicon.ico", RedirectView.as_view(url=static_url("courses/mark.svg"))),
    path("", include("courses.urls")),
]

"""The WSGI application, for `gunicorn wsgi:app` and any other server."""

from feedserver.server.application import app_of_environment

app = app_of_environment()

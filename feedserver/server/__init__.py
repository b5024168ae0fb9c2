"""Runs the application behind gunicorn: options, hooks, the worker, and answers before it can start."""

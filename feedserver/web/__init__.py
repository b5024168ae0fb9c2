"""HTTP with Flask: application factory, routes, responses, redirects and guesses, and the fast path."""

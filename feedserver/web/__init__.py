"""What speaks HTTP and HTML: the front, the routes, the pages and their static files."""

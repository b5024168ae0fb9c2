"""config/nginx.conf as tests and benchmarks run it: its marked lines edited, in a folder of its own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from builders import write_file

REPOSITORY = Path(__file__).resolve().parent.parent
NGINX = shutil.which("nginx") or (shutil.which("nginx", path="/usr/sbin:/usr/local/sbin"))
BROTLI = Path("/usr/lib/nginx/modules/ngx_http_brotli_static_module.so")

SHIPPED = (REPOSITORY / "config" / "nginx.conf").read_text(encoding="utf-8")
# As Debian ships it or worse: compression of everything, in the hope that ours is not touched.
MAIN = """
{modules}
{user}
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
worker_processes 1;
events {{}}
http {{
    access_log off;
    include {folder}/mime.types;
    gzip on; gzip_types *; gzip_min_length 0; gzip_proxied any; gzip_vary on;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/feedserver.conf;
}}
"""


def configured(
    folder: Path, *, ports: tuple[int, int], backend: int, exported: Path, below: str = ""
) -> Path:
    """nginx's configuration in a folder: the shipped file with the marked lines edited.

    `below` is the path that the exported site is to be served below, if it is to be.
    """
    before, between, after = SHIPPED.split("listen 80;")
    text = f"{before}listen 127.0.0.1:{ports[0]};{between}listen 127.0.0.1:{ports[1]};{after}"
    edits = {
        "127.0.0.1:8000": f"127.0.0.1:{backend}",
        "/var/cache/nginx-feedserver": str(folder / "cache"),
        "/srv/www/feeds;": f"{exported};",
        "/srv/www/feeds/": f"{exported}/",
        'set $feedserver_base "";': f'set $feedserver_base "{below}";',
        "# rewrite ^/news": f"rewrite ^{below}" if below else "# rewrite ^/news",
        "# brotli_static on;": "brotli_static on;" if BROTLI.exists() else "#",
    }
    for shipped, edited in edits.items():
        assert shipped in text
        text = text.replace(shipped, edited)
    modules = f"load_module {BROTLI};" if BROTLI.exists() else ""
    # Its workers would be another user, who cannot read the folders of tests.
    user = "user root;" if os.getuid() == 0 else ""
    write_file(folder, "feedserver.conf", text)
    write_file(folder, "mime.types", "types { text/html html; }")
    return write_file(folder, "nginx.conf", MAIN.format(folder=folder, modules=modules, user=user))

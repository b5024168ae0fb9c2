"""gunicorn's configuration: `gunicorn -c config/gunicorn.conf.py wsgi:app`.

`feedserver serve` runs with the same values, so this file is needed only if something else starts gunicorn.
A test compares it with the defaults of the package. The section `server` of the settings applies to
`feedserver serve` alone: with this file, change the numbers here, or use gunicorn's own options, which win
over the file.
"""

from feedserver.server.application import post_worker_init, worker_exit
from feedserver.server.http1 import pre_request

# Only this machine: the proxy in front of it answers other machines.
bind = "127.0.0.1:8000"

# Two, so that one can restart while the other answers. Workers share nothing but the files of the state
# folder. More than one per core is of no use: slow clients hold no worker.
workers = 2

# Connections wait in the worker's loop, and get one of these threads when the whole request head has arrived.
# One of the threads answers while it keeps up; another takes over when a document must be rendered. With
# gunicorn's own class "gthread", on which this one is built, a few silent clients stop the server, and a
# cached feed costs nearly twice the CPU if a core is free (docs/measurements.md).
# `server.engine: granian` of the settings is "feedserver.server.granian_worker.GranianWorker" here.
worker_class = "feedserver.server.worker.Worker"
threads = 4

# Seconds that an idle connection stays open, so that the proxy, or a browser that fetches a page and
# its style sheet, need not connect again for each. A waiting connection costs no thread.
keepalive = 5

# Seconds after which a silent worker is replaced. No request takes nearly as long: another process reads the
# files, and no request waits for the first index.
timeout = 30

# Seconds that a worker has after SIGTERM to finish its requests and, if it started the indexer, to stop it,
# which finishes its batch first.
graceful_timeout = 10

# No worker is replaced after a number of requests: that would only hide a leak, and the indexer ends with the
# worker that started it.
max_requests = 0

# Each worker imports the application itself, so a reload (SIGHUP) and a replaced worker read the settings
# again. A fork would share 28 MB of the 55 MB of each worker. With many workers `--preload` is worth that,
# and it works: nothing is opened or started before the fork.
preload_app = False

# gunicorn's control socket is in the user's home folder, one for all servers of a machine, so a second server
# would take it from the first. feedserver does not use it.
control_socket_disable = True

# `post_worker_init` starts the indexer's supervisor in a new worker. Without it, as under a plain
# `gunicorn wsgi:app`, indexing begins with the first request. `pre_request` refuses HTTP/1.1 requests without
# exactly one valid Host, and closes the connection of a client that sends `Connection: TE, close`; gunicorn
# itself does neither. `worker_exit` ends the indexer with the worker.
__all__ = ["post_worker_init", "pre_request", "worker_exit"]

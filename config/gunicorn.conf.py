"""gunicorn's configuration: `gunicorn -c config/gunicorn.conf.py wsgi:app`.

`feedserver serve` runs with the same values, so this file is only needed where gunicorn is started
by something else. A test compares it with the defaults of the package. What the settings say of
`server` counts for `feedserver serve` alone: with this file, change the numbers here, or give gunicorn
its own options, which go before the file.
"""

from feedserver.serving import post_worker_init, worker_exit

# Only this machine: the proxy in front of it speaks to the world.
bind = "127.0.0.1:8000"

# Two, so that one can start anew while the other answers. Workers share nothing but the files of the
# state folder; more than one per core only helps if clients are slow and no proxy buffers for them.
workers = 2

# Threads, because a slow client would hold a whole synchronous worker, and so would an idle connection of
# a proxy. Of these threads one answers while it keeps up, and another takes over when it is held up; with
# gunicorn's own class "gthread", on which this one is built, they get into each other's way where a core is
# free, and a feed that is ready costs nearly twice the CPU (docs/measurements.md).
worker_class = "feedserver.worker.Worker"
threads = 4

# Seconds that an idle connection stays open, so that the proxy, or a browser that fetches a page and
# its style sheet, does not connect again for each. A connection that waits costs no thread.
keepalive = 5

# Seconds after which a worker that gives no sign of life is replaced. No request comes near it: the
# files are read in another process, and the first index is not waited for.
timeout = 30

# Seconds that a worker has to end its requests after SIGTERM, and to stop the indexer if it is the one
# that started it, which finishes its batch first.
graceful_timeout = 10

# Workers are never replaced for having answered many requests: that would only hide a leak, and with a
# worker goes the indexer that it started.
max_requests = 0

# Each worker imports the application itself, so that a reload (SIGHUP) and a worker that is replaced get
# the settings as they are then. A fork would share 28 MB of the 55 that each worker takes; with many
# workers `--preload` is worth that, and works: nothing is opened or started before the fork.
preload_app = False

# gunicorn's control socket lies in the user's home folder, one for all servers of a machine, so that a
# second one would take it from the first. Nothing here uses it.
control_socket_disable = True

# The first hook lets a worker offer the indexer as soon as it is up; without it, as under a plain
# `gunicorn wsgi:app`, indexing begins with the first request. The second ends the indexer with the worker.
__all__ = ["post_worker_init", "worker_exit"]

"""The command `feedserver`, also as `python -m feedserver`.

Imports nothing before it runs: a process of an export's pool is given the main module of its parent, and
needs little of what the command needs. No command imports a module from the working directory, which may be
a folder of articles.
"""

import sys


def main() -> None:
    """Run the command."""
    from feedserver.cli.group import main as command  # noqa: PLC0415  see above

    command()


def _forget_working_directory() -> None:
    """Import nothing more from the working directory, which `python -m` puts first, unless we are there."""
    package = __file__.rpartition("/feedserver/")[0]
    if not sys.flags.safe_path and sys.path[0] != package:
        del sys.path[0]


if __name__ == "__main__":
    _forget_working_directory()
    main()

"""`python -m feedserver` is the command `feedserver`."""

from feedserver.cli import main

main()

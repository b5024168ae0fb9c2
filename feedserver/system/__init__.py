"""Uses of the operating system: processes, and files that are closed to other users."""

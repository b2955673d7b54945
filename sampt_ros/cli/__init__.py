"""The `sampt` command: a file for every subcommand."""

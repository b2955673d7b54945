"""The `sampt` command, with one module per subcommand."""

"""Options that several subcommands share, and their interpretation."""

"""Options that several subcommands have, and what they mean."""

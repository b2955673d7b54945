"""The subcommands of `sampt`, one a module; each adds itself to the parser with `add`."""

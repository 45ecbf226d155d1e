//! The command line: one file per subcommand; the only place where everything is put together.

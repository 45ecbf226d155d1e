//! The part of a log that matters, in flat memory whatever the log's size.

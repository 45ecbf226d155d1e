//! The terminal: live progress and results, made from events; the only place that prints.

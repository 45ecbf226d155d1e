//! The tamper guard: finds cheats in a patch by reading it, each by name. Pure: contents in, findings out.

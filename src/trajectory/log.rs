//! The JSONL log of a run: one write per line in append mode, and a reader that survives a torn last line.

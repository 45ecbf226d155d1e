//! Suspects: places in the code ranked by stack traces, compiler spans, changed lines and names.

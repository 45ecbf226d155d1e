//! Configuration: defaults < `.kaizen.yml` < environment < command line, each value with where it came from.

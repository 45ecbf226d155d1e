//! One file per output format: pure text, XML or JSON in, results out.

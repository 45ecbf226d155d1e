//! The program `kaizen-ci`: everything is in the library.

fn main() {}

//! The mutate fixer: small edits of the syntax tree, tried in the order of how likely they are.

pub mod edits;

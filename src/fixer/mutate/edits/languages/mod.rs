//! One description per language.

//! A patch from outside (a diff file) becomes a [`super::Patch`] against a snapshot, strictly, by git's own `apply`.

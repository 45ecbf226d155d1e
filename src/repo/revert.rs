//! A real revert of one commit on top of a snapshot, conflict-free or refused with the conflicting paths.

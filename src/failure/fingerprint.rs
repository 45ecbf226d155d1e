//! The fingerprint of a failure: the same bug gives the same digits wherever and whenever it runs.

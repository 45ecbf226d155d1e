//! The receipt: machine-readable proof of a heal, replayable.

//! Blame: why a run is red, decided from reruns, the run at the merge base, and the log.

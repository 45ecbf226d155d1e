//! The heal loop: snapshot, triage, race, judge, revert, escalate.

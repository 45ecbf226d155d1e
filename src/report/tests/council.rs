//! Tests of a council's rendering: what comes first, and that nothing that a model says gets out of its place.

use super::*;
use crate::council::converge::Stall;
use crate::council::decide::Decision;
use crate::council::ledger::{Dropped, Severity};
use crate::council::pack::Pack;
use crate::council::record::{RoundInfo, SCHEMA};

fn record(said: &str) -> Record {
    let seat = |name: &str, position: &str| SeatInfo {
        name: name.into(),
        model: format!("own/{name}"),
        answered_by: format!("{name}-7b"),
        family: "maker".into(),
        turns: 2,
        failed: vec![],
        tokens: 1200,
        nano_dollars: 2_000_000,
        ms: 4100,
        said: (!position.is_empty()).then(|| Said {
            position: position.into(),
            answer: format!("{said} and more"),
            drivers: vec![said.into()],
            pros: vec![said.into()],
            cons: vec![],
            consequences: vec!["one more service".into()],
            reconsider: vec!["above 50 writes a second".into()],
        }),
        first_position: None,
    };
    let objection = |id: &str, seat, status| Objection {
        id: id.into(),
        round: 1,
        seat,
        severity: Severity::Major,
        criterion: "risk".into(),
        quote: said.into(),
        why: said.into(),
        status,
        reason: "we measured it".into(),
        again: vec![],
    };
    Record {
        schema: SCHEMA.into(),
        run: "r1".into(),
        question: "Which store?".into(),
        date: "2026-11-25".into(),
        end: End::Agreed,
        decision: Some(Decision {
            position: "Keep SQLite".into(),
            seat: 0,
            votes_for: vec![0, 1],
            votes_against: vec![2],
            against: vec![2],
            by: By::Majority,
        }),
        rounds: vec![RoundInfo {
            round: 1,
            answered: 3,
            asked: 3,
            positions: vec![Some("Keep SQLite".into()), None],
            raised: vec!["O1".into()],
            dropped: vec![format!("the quoted words are not there: {said}")],
            better: true,
            answers_ms: 4000,
            slowest_ms: 3900,
            ms: 6000,
        }],
        seats: vec![
            seat("a", "Keep SQLite"),
            seat("b", "keep sqlite."),
            seat("c", "Take PostgreSQL"),
            seat("critic", ""),
        ],
        objections: vec![
            objection("O1", 0, Status::Accepted),
            objection("O2", 2, Status::Rebutted),
            objection("O3", 2, Status::Dropped(Dropped::Suggested)),
        ],
        context: Pack {
            included: vec!["src/a.rs".into()],
            left_out: vec!["src/big.rs: 9000 tokens".into()],
            ..Pack::default()
        },
        tokens: 4800,
        nano_dollars: 8_000_000,
        replayed: 0,
        changes: vec![],
        ms: 12_000,
    }
}

#[test]
fn the_decision_comes_first_the_dissent_is_kept_and_the_rest_is_folded() {
    let text = comment(&record("contention is near"));
    assert!(
        text.starts_with("**Decision: Keep SQLite**\n\nAgreed 2:1 after 1 round; no objection is left.\n"),
        "{text}"
    );
    let dissent = text.find("Dissent (`c-7b`): Take PostgreSQL").unwrap();
    assert!(dissent < text.find("<details>").unwrap());
    assert!(
        text.contains("<summary>Objections: 4 raised, 1 accepted, 1 rebutted, 0 open, 2 dropped</summary>"),
        "{text}"
    );
    assert!(text.contains("| a | `a-7b` | maker | 2 | 1200 | $0.002 | 4.1 s |  |"), "{text}");
    assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
}

#[test]
fn the_record_has_every_part_of_the_form() {
    let text = madr(&record("contention is near"));
    for part in [
        "status: proposed\ndate: 2026-11-25\ndecision-makers: [\"a-7b\", \"b-7b\", \"c-7b\"]",
        "# Which store?",
        "## Context and Problem Statement",
        "Left out: `src/big.rs: 9000 tokens`.",
        "## Decision Drivers",
        "## Considered Options\n\n* Keep SQLite\n* Take PostgreSQL\n",
        "Chosen option: **Keep SQLite**.",
        "### Consequences\n\n* one more service",
        "### When to Reconsider\n\n* above 50 writes a second",
        "### Dissent\n\n* c (`c-7b`): **Take PostgreSQL**",
        "## Pros and Cons of the Options",
        "* Good, because contention is near",
        "| O2 | seat 3 | major | `contention is near` | contention is near | rebutted: we measured it |",
    ] {
        assert!(text.contains(part), "{part}\n---\n{text}");
    }
    let mut lost = record("x");
    (lost.decision, lost.end) = (None, End::Stalled(Stall::Plateau));
    assert!(madr(&lost).starts_with("---\nstatus: rejected\n"));
}

#[test]
fn what_a_model_says_stays_in_its_place() {
    let hostile = "</details> @octocat fixes #1 <img src=x> | a | [link](http://x) ```\n# heading\n--- $x$";
    for text in [madr(&record(hostile)), comment(&record(hostile))] {
        // inside of a code span anything is harmless
        let text = text.split("````").step_by(2).collect::<String>().replace("\\<", "");
        assert!(!text.contains("</details> @") && !text.contains("<img") && !text.contains("@octocat"), "{text}");
        assert!(!text.contains("](http") && !text.contains("\n# heading"), "{text}");
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
        for row in text.lines().filter(|l| l.starts_with("| O")) {
            assert_eq!(row.replace("\\|", "").matches('|').count(), 7, "{row}");
        }
    }
}

#[test]
fn a_view_that_gave_way_is_told_and_one_that_came_back_is_not() {
    let mut told = record("it is simple");
    told.seats[1].first_position = Some("Take DuckDB".into());
    told.seats[2].first_position = Some("take PostgreSQL.".into());
    let text = madr(&told);
    assert!(text.contains("* b (`b-7b`) gave way; at first: **Take DuckDB**\n"), "{text}");
    let text = comment(&told);
    assert!(text.contains("\nGave way (`b-7b`), at first: Take DuckDB.\n"), "{text}");
    assert_eq!(text.matches("Gave way").count(), 1);
}

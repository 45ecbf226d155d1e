//! From the last answers to a decision: who stands for what, a ballot where no majority shows, and who disagrees.

use serde::{Deserialize, Serialize};

use super::ledger::{Objection, Status};
use super::read::Said;
use crate::turns::text::same_position;

/// How the decision came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// More than half of the seats stand for it.
    Majority,
    /// The seats voted.
    Ballot,
    /// As many for one as for another: the one with fewer objections against it.
    TieBreak,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Decision {
    /// In one line.
    pub position: String,
    /// The seat whose answer stands for it.
    pub seat: usize,
    /// Seats for it: those that stand for it, or those that voted for it where there was a ballot.
    pub votes_for: Vec<usize>,
    /// Seats that voted for something else; without a ballot those that stand for something else.
    #[serde(default)]
    pub votes_against: Vec<usize>,
    /// Dissent: seats whose own position is another one, whatever they voted for.
    pub against: Vec<usize>,
    /// How it came about.
    pub by: By,
}

/// Seats with the same position, by the first of them; in order.
pub fn camps(said: &[Option<Said>]) -> Vec<Vec<usize>> {
    let mut camps: Vec<Vec<usize>> = Vec::new();
    for (seat, one) in said.iter().enumerate() {
        let Some(one) = one else { continue };
        let same = |camp: &&mut Vec<usize>| {
            said[camp[0]].as_ref().is_some_and(|first| same_position(&first.position, &one.position))
        };
        match camps.iter_mut().find(same) {
            Some(camp) => camp.push(seat),
            None => camps.push(vec![seat]),
        }
    }
    camps
}

/// The camp with more than half of those who answered.
pub fn majority(camps: &[Vec<usize>]) -> Option<&Vec<usize>> {
    camps.iter().find(|camp| is_majority(camp, camps))
}

fn is_majority(camp: &[usize], camps: &[Vec<usize>]) -> bool {
    2 * camp.len() > camps.iter().map(Vec::len).sum()
}

/// The seat of a camp whose answer stands for it: the one with the least against it.
fn speaker(camp: &[usize], objections: &[Objection]) -> usize {
    camp.iter().copied().min_by_key(|seat| (against(*seat, objections), *seat)).unwrap_or(0)
}

/// What weighs against a seat's answer: what nobody answered, and half of what it only rebutted.
fn against(seat: usize, objections: &[Objection]) -> u32 {
    let of = |o: &Objection| match o.status {
        Status::Open => 2 * o.severity.weight(),
        Status::Rebutted => o.severity.weight(),
        Status::Accepted | Status::Partly | Status::Dropped(_) => 0,
    };
    objections.iter().filter(|o| o.seat == seat).map(of).sum()
}

/// Decides. `votes`: by voter, the seat that it chose, when there was a ballot.
pub fn decide(said: &[Option<Said>], objections: &[Objection], votes: Option<&[Option<usize>]>) -> Option<Decision> {
    let camps = camps(said);
    let camp_of = |seat: usize| camps.iter().position(|camp| camp.contains(&seat));
    let others = |camps: &[Vec<usize>], but: usize| {
        let mut rest: Vec<usize> =
            camps.iter().enumerate().filter(|(i, _)| *i != but).flat_map(|(_, c)| c).copied().collect();
        rest.sort_unstable();
        rest
    };
    let (best, by, ballots) = match (camps.iter().position(|camp| is_majority(camp, &camps)), votes) {
        (Some(best), _) => (best, By::Majority, camps.clone()),
        (None, votes) => {
            let mut ballots: Vec<Vec<usize>> = vec![Vec::new(); camps.len()];
            match votes {
                Some(votes) => votes.iter().enumerate().for_each(|(voter, choice)| {
                    if let Some(camp) = choice.and_then(camp_of) {
                        ballots[camp].push(voter);
                    }
                }),
                None => ballots.clone_from(&camps),
            }
            let most = ballots.iter().map(Vec::len).max()?;
            let leading: Vec<usize> = (0..camps.len()).filter(|i| ballots[*i].len() == most).collect();
            let by = if leading.len() == 1 && votes.is_some() { By::Ballot } else { By::TieBreak };
            let least = |i: &usize| (against(speaker(&camps[*i], objections), objections), *i);
            (leading.into_iter().min_by_key(least)?, by, ballots)
        }
    };
    let seat = speaker(&camps[best], objections);
    Some(Decision {
        position: said[seat].as_ref()?.position.clone(),
        seat,
        votes_against: others(&ballots, best),
        votes_for: ballots[best].clone(),
        against: others(&camps, best),
        by,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::council::ledger::Severity;

    fn said(positions: &[&str]) -> Vec<Option<Said>> {
        let one =
            |p: &&str| (!p.is_empty()).then(|| Said { position: (*p).into(), answer: (*p).into(), ..Said::default() });
        positions.iter().map(one).collect()
    }

    fn objection(seat: usize, severity: Severity, status: Status) -> Objection {
        Objection {
            id: "O1".into(),
            round: 1,
            seat,
            severity,
            criterion: "risk".into(),
            quote: "q".into(),
            why: "w".into(),
            status,
            reason: String::new(),
            again: vec![],
        }
    }

    #[test]
    fn a_majority_decides_then_the_ballot_then_what_has_less_against_it() {
        let found = decide(&said(&["SQLite", "PostgreSQL", "sqlite."]), &[], None).unwrap();
        assert_eq!(
            (found.position.as_str(), found.by, found.votes_for, found.against),
            ("SQLite", By::Majority, vec![0, 2], vec![1])
        );
        let split = said(&["SQLite", "PostgreSQL", "DuckDB"]);
        let ballot = decide(&split, &[], Some(&[Some(1), Some(1), Some(2)])).unwrap();
        assert_eq!((ballot.position.as_str(), ballot.by, ballot.votes_for), ("PostgreSQL", By::Ballot, vec![0, 1]));
        // who voted for the winner and stands for something else dissents; whose answer won does not, whatever it voted for
        let swapped = decide(&split, &[], Some(&[Some(1), Some(2), Some(1)])).unwrap();
        assert_eq!((swapped.votes_for, swapped.votes_against, swapped.against), (vec![0, 2], vec![1], vec![0, 2]));
        let lost = decide(&split, &[], Some(&[Some(1), Some(1), None])).unwrap();
        assert_eq!((lost.votes_against, lost.against), (vec![], vec![0, 2]), "a vote that failed is none against it");
        let open = [objection(0, Severity::Major, Status::Open), objection(1, Severity::Major, Status::Rebutted)];
        let tie = decide(&split, &open, None).unwrap();
        assert_eq!((tie.position.as_str(), tie.by), ("DuckDB", By::TieBreak));
        assert_eq!(decide(&said(&["", ""]), &[], None), None);
        assert_eq!(decide(&said(&["", "only one", ""]), &[], None).unwrap().votes_for, [1]);
    }
}

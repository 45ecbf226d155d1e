//! Who sits where: different models for the seats, and a critic of a make that no seat has. A pure function of who is there.

use std::collections::{BTreeMap, BTreeSet};

use super::Member;

/// Who sits where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// One model each, all different.
    pub seats: Vec<Member>,
    /// Of another lineage than every seat; the best first, then others of its make and everybody else whose make no seat has,
    /// for when it fails.
    pub critics: Vec<Member>,
}

/// Why nobody can sit down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unseated {
    /// A model that was asked for is not there.
    #[error("the model {name} can't be asked now")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A model was named twice.
    #[error("the model {name} is named twice; every seat needs another one")]
    Twice {
        /// Its name.
        name: String,
    },
    /// Too few models.
    #[error("{wanted} seats and a critic need {wanted} different models and one of another family; there are {found}")]
    TooFew {
        /// Seats.
        wanted: usize,
        /// Who is there, in words.
        found: String,
    },
    /// The critic is of a seat's make.
    #[error("the critic {critic} is of the same family as the seat {seat}")]
    SameFamily {
        /// The critic.
        critic: String,
        /// The seat.
        seat: String,
    },
}

/// Seats `wanted` models and a critic. `named` seats and a `named` critic come first and are taken as they are.
///
/// # Errors
/// When they can't be seated by the rules.
pub fn seat(members: &[Member], wanted: usize, named: &[String], critic: Option<&str>) -> Result<Table, Unseated> {
    let find = |name: &str| {
        let exact = members.iter().find(|m| m.name == name);
        let id = || members.iter().find(|m| m.name.split_once('/').is_some_and(|(_, id)| id == name));
        exact.or_else(id).cloned().ok_or_else(|| Unseated::Missing { name: name.to_owned() })
    };
    let mut seats: Vec<Member> = Vec::new();
    for name in named {
        let member = find(name)?;
        if seats.iter().any(|seat| seat.name == member.name) {
            return Err(Unseated::Twice { name: member.name });
        }
        seats.push(member);
    }
    let wanted = wanted.max(seats.len());
    let critic = critic.map(find).transpose()?;
    if let Some(critic) = &critic
        && let Some(seat) = seats.iter().find(|seat| seat.lineage == critic.lineage)
    {
        return Err(Unseated::SameFamily { critic: critic.name.clone(), seat: seat.name.clone() });
    }
    // one model of two providers is one model
    let mut known: BTreeSet<String> = seats.iter().map(|seat| bare(&seat.name)).collect();
    let rest: Vec<&Member> = members.iter().filter(|m| known.insert(bare(&m.name))).collect();
    let taken: BTreeSet<&str> = seats.iter().map(|seat| seat.lineage.as_str()).collect();
    let makes: BTreeSet<&str> = match &critic {
        Some(critic) => [critic.lineage.as_str()].into(),
        None => rest.iter().map(|m| m.lineage.as_str()).filter(|make| !taken.contains(make)).collect(),
    };
    let too_few = || {
        let found: Vec<String> = members.iter().map(|m| format!("{} ({})", m.name, m.lineage)).collect();
        let found = if found.is_empty() { "none".into() } else { found.join(", ") };
        Unseated::TooFew { wanted, found }
    };
    let filled = makes.into_iter().filter_map(|make| fill(&rest, &seats, wanted, make));
    let best = filled.max_by(|a, b| worth(a).cmp(&worth(b)).then_with(|| b.critics[0].name.cmp(&a.critics[0].name)));
    let mut table = best.ok_or_else(too_few)?;
    if let Some(critic) = critic {
        table.critics.retain(|other| other.name != critic.name);
        table.critics.insert(0, critic);
    }
    Ok(table)
}

/// A model's name without its provider and tag.
fn bare(name: &str) -> String {
    let id = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    id.strip_suffix(":free").unwrap_or(&id).to_owned()
}

/// What costs least first, then what is strongest.
fn by_cost(a: &Member, b: &Member) -> std::cmp::Ordering {
    a.tier.cmp(&b.tier).then(b.strength.cmp(&a.strength)).then(a.name.cmp(&b.name))
}

/// The table whose first critics are of `make`; those of other makes that no seat has stand behind them.
fn fill(rest: &[&Member], named: &[Member], wanted: usize, make: &str) -> Option<Table> {
    let mut critics: Vec<Member> = rest.iter().filter(|m| m.lineage == make).map(|m| (*m).clone()).collect();
    critics.sort_by(by_cost);
    let mut seats = named.to_vec();
    let mut free: Vec<&&Member> = rest.iter().filter(|m| m.lineage != make).collect();
    while seats.len() < wanted {
        let mut used: BTreeMap<&str, usize> = BTreeMap::new();
        seats.iter().for_each(|seat| *used.entry(&seat.lineage).or_default() += 1);
        let times = |m: &Member| used.get(m.lineage.as_str()).copied().unwrap_or(0);
        // another make first; then what costs least, then what is strongest
        let next =
            (0..free.len()).min_by_key(|i| (times(free[*i]), free[*i].tier, 10 - free[*i].strength.min(10), *i))?;
        seats.push((**free.remove(next)).clone());
    }
    if critics.is_empty() {
        return None;
    }
    // another make that sits nowhere is as good in reserve
    let sits = |m: &Member| seats.iter().any(|seat| seat.lineage == m.lineage);
    let mut reserve: Vec<Member> = free.into_iter().filter(|m| !sits(m)).map(|m| (*m).clone()).collect();
    reserve.sort_by(by_cost);
    critics.extend(reserve);
    Some(Table { seats, critics })
}

/// More makes at the table are better, then a table that costs less, then stronger critics and seats.
fn worth(table: &Table) -> (usize, std::cmp::Reverse<usize>, u8, u32) {
    let makes: BTreeSet<&str> = table.seats.iter().map(|seat| seat.lineage.as_str()).collect();
    let paid = table.seats.iter().chain(table.critics.first()).filter(|m| m.tier == crate::model::catalog::Tier::Paid);
    let strength = table.seats.iter().map(|seat| u32::from(seat.strength)).sum();
    (makes.len(), std::cmp::Reverse(paid.count()), table.critics[0].strength, strength)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::catalog::Tier;
    use proptest::prelude::*;

    fn member(name: &str, lineage: &str, tier: Tier, strength: u8) -> Member {
        Member { name: name.into(), lineage: lineage.into(), tier, context: 8192, strength }
    }

    fn all() -> Vec<Member> {
        vec![
            member("a/qwen-big", "qwen", Tier::Paid, 9),
            member("a/qwen-small", "qwen", Tier::Free, 6),
            member("a/deep", "deepseek", Tier::Free, 8),
            member("a/llama", "llama", Tier::Free, 6),
            member("a/gpt", "openai", Tier::Free, 6),
        ]
    }

    #[test]
    fn every_seat_has_another_model_and_the_critic_another_make() {
        let table = seat(&all(), 3, &[], None).unwrap();
        let names: BTreeSet<&str> = table.seats.iter().map(|s| s.name.as_str()).collect();
        assert_eq!((names.len(), table.critics[0].name.as_str()), (3, "a/deep"), "{table:?}");
        assert!(table.seats.iter().all(|s| s.tier == Tier::Free), "{table:?}");
        let named = seat(&all(), 3, &["qwen-big".into(), "a/gpt".into()], Some("llama")).unwrap();
        assert_eq!(named.seats[0].name, "a/qwen-big");
        assert_eq!((named.critics[0].name.as_str(), named.seats.len()), ("a/llama", 3));
        // whoever is left of a make that no seat has stands in reserve
        let pair = seat(&all(), 2, &["a/deep".into(), "a/qwen-small".into()], Some("a/gpt")).unwrap();
        assert_eq!(pair.critics.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["a/gpt", "a/llama"]);
        let two = seat(&all(), 2, &[], None).unwrap();
        let makes: BTreeSet<&str> = two.critics.iter().map(|c| c.lineage.as_str()).collect();
        assert_eq!(makes.len(), 2, "{two:?}");
    }

    #[test]
    fn who_can_not_sit_down_is_told_why() {
        let error = |n, named: &[&str], critic| {
            let named: Vec<String> = named.iter().map(|n| (*n).to_owned()).collect();
            seat(&all(), n, &named, critic).unwrap_err().to_string()
        };
        assert!(error(3, &["nobody"], None).contains("nobody can't be asked"));
        assert!(error(3, &["deep", "a/deep"], None).contains("named twice"));
        assert!(error(3, &["a/qwen-big"], Some("a/qwen-small")).contains("same family"));
        assert!(error(5, &[], None).contains("need 5 different models"));
        assert!(seat(&[], 2, &[], None).unwrap_err().to_string().contains("none"));
        let two_of_one = [member("x/a-1b", "a", Tier::Local, 1), member("x/a-2b", "a", Tier::Local, 2)];
        assert!(seat(&two_of_one, 2, &[], None).is_err(), "a critic of the seats' own make is none");
    }

    proptest! {
        #[test]
        fn whoever_is_seated_keeps_the_rules(
            picks in prop::collection::vec((0..5_usize, 0..3_usize, 1..10_u8), 0..9), wanted in 2..7_usize,
        ) {
            let members: Vec<Member> = picks
                .iter()
                .enumerate()
                .map(|(i, (make, tier, strength))| {
                    let tier = [Tier::Local, Tier::Free, Tier::Paid][*tier];
                    member(&format!("p/m{i}"), &format!("make{make}"), tier, *strength)
                })
                .collect();
            if let Ok(table) = seat(&members, wanted, &[], None) {
                let names: BTreeSet<&str> = table.seats.iter().map(|s| s.name.as_str()).collect();
                prop_assert_eq!((names.len(), table.seats.len()), (wanted, wanted));
                for critic in &table.critics {
                    prop_assert!(table.seats.iter().all(|s| s.lineage != critic.lineage));
                }
            }
        }
    }
}

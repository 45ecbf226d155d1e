//! Debates with a plan: those that come to an end are hardly ever stopped before it, those that stall within two rounds.

use std::collections::BTreeMap;

use super::*;

/// How the critic and the seats behave in a round.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Mood {
    Converging,
    Same,
    Reseeding,
    Plateau,
    FlipFlop,
}

/// What the seat said in its last answer, behind the claim.
fn said_before(q: &Question) -> Option<String> {
    q.messages.iter().rev().find_map(|message| {
        let said: serde_json::Value = serde_json::from_str(&message.content).ok()?;
        said["answer"].as_str()?.split_once(": ").map(|(_, text)| text.to_owned())
    })
}

/// A debate with a plan: converging until `onset`, then in the mood `then`.
fn planned(seed: u64, onset: u32, then: Mood) -> Script {
    script(move |q| {
        let mood = if q.round < onset { Mood::Converging } else { then };
        let mut chance = Chance::of(&[&seed, &q.actor, &q.round]);
        // seven rounds of a hundred are idle although the debate converges
        let idle = |round: u32| Chance::of(&[&seed, &"idle", &round]).percent(7);
        if q.actor == "critic" {
            let left = |round: u32| {
                let start = 1 + Chance::of(&[&seed, &"start"]).below(5);
                let mut n = start;
                for r in 2..=round {
                    if !idle(r) {
                        n = Chance::of(&[&seed, &"left", &r]).below(n.max(1) * 6 / 10 + 1).min(n.saturating_sub(1));
                    }
                }
                n
            };
            let letter = |c: &mut Chance| (b'A' + c.below(3) as u8) as char;
            // the letter behind which one and the same seat stands
            let text = &q.messages[1].content;
            let fixed_letter = || {
                let at = text.find("of seat 1:").expect("seat 1 has answered");
                text[..at].rsplit("## Answer ").next().unwrap().chars().next().unwrap()
            };
            let list: Vec<_> = match mood {
                Mood::Converging => {
                    // what follows a stall's onset has at least one objection before it
                    let n = if onset < u32::MAX { left(q.round).max(1) } else { left(q.round) };
                    (0..n)
                        .map(|_| {
                            let severity = ["minor", "major", "major", "blocker"][chance.below(4)];
                            (letter(&mut chance), severity, "claim stands", chance.words(8))
                        })
                        .collect()
                }
                Mood::Same => {
                    let mut fixed = Chance::of(&[&seed, &"same"]);
                    let letter = fixed_letter();
                    let mut words: Vec<String> = fixed.words(10).split(' ').map(str::to_owned).collect();
                    // in other words: another order, one of ten replaced
                    let n = words.len();
                    words.swap(chance.below(n), chance.below(n));
                    words[chance.below(n)] = chance.words(1);
                    vec![(letter, "major", "claim stands", words.join(" "))]
                }
                Mood::Reseeding => (0..1 + chance.below(3))
                    .map(|_| (letter(&mut chance), "minor", "claim stands", chance.words(7)))
                    .collect(),
                Mood::Plateau => {
                    let n = 1 + chance.below(2);
                    (0..n).map(|_| (letter(&mut chance), "major", "claim stands", chance.words(8))).collect()
                }
                Mood::FlipFlop => {
                    let n = 1 + chance.below(2);
                    (0..n).map(|_| (fixed_letter(), "major", "claim stands", chance.words(8))).collect()
                }
            };
            return Says::Text(objections(&list));
        }
        let ids = ids(q);
        let verdict = |c: &mut Chance| match mood {
            Mood::Converging if idle(q.round) => "rebutted",
            Mood::Converging => ["accepted", "accepted", "partly", "rebutted"][c.below(4)],
            Mood::Reseeding => ["accepted", "rebutted"][c.below(2)],
            Mood::Same => ["rebutted", "accepted", "maybe"][Chance::of(&[&seed, &"says"]).below(3)],
            Mood::Plateau => "rebutted",
            Mood::FlipFlop => "accepted",
        };
        let responses: Vec<_> = ids.into_iter().map(|id| (id, verdict(&mut chance), "a reason")).collect();
        let changes = responses.iter().any(|(_, v, _)| *v == "accepted" || *v == "partly");
        let text = match mood {
            // accepted in words only
            Mood::Same => "unchanged words of old".to_owned(),
            Mood::FlipFlop => Chance::of(&[&seed, &q.actor, &"flip", &(q.round % 2)]).words(30),
            // now and then somebody goes back to what it said before, for good reasons
            _ if changes && q.round > 2 && chance.percent(1) => {
                Chance::of(&[&seed, &q.actor, &"text", &(q.round - 2)]).words(12)
            }
            _ if changes => Chance::of(&[&seed, &q.actor, &"text", &q.round]).words(12),
            // who changes nothing says what it said
            _ => said_before(q).unwrap_or_else(|| "unchanged words of old".to_owned()),
        };
        Says::Text(json("a", &format!("The claim stands of {}: {text}", q.actor), &responses))
    })
}

fn rules_of_plans() -> Rules {
    Rules { rounds: 14, free_rounds: 14, tokens: 10_000_000, ..Rules::default() }
}

/// Rules and thresholds of this room were chosen on debates of these seeds …
const FIT: u64 = 7_000_000;
/// … and are measured on those of others, which nobody looked at while choosing.
const HELD: [u64; 2] = [410_000_000, 830_000_000];
/// Debates of each kind and seed.
const N: u64 = 500;

/// Where the council ended that came to no end by itself, and how often.
type Tally = BTreeMap<String, usize>;

#[allow(clippy::cast_precision_loss, reason = "counts")]
fn share(n: usize) -> f64 {
    n as f64 / N as f64
}

/// The share of converging debates that are stopped, and how.
async fn falsely_stopped(seed: u64) -> (f64, Tally) {
    let mut by = Tally::new();
    for n in 0..N {
        let record = held(&brief(rules_of_plans()), &planned(seed + n, u32::MAX, Mood::Converging)).await;
        if record.end != End::Agreed {
            *by.entry(record.end.name()).or_default() += 1;
        }
    }
    (share(by.values().sum()), by)
}

/// The share of stalling debates that are stopped within two rounds, and how the others ended.
async fn stopped_in_time(seed: u64) -> (f64, Tally) {
    const MOODS: [Mood; 4] = [Mood::Same, Mood::Reseeding, Mood::Plateau, Mood::FlipFlop];
    let (mut in_time, mut late) = (0, Tally::new());
    for n in 0..N {
        let mood = MOODS[(n % 4) as usize];
        let onset = 1 + Chance::of(&[&(seed + n), &"onset"]).below(4) as u32;
        // other debates than the converging ones
        let record = held(&brief(rules_of_plans()), &planned(seed + 2_000_000 + n, onset, mood)).await;
        let rounds = record.rounds.len() as u32;
        // the critic begins at the end of round `onset`; who goes there and back does so from the next one on
        let onset = if mood == Mood::FlipFlop { onset + 1 } else { onset };
        if matches!(record.end, End::Stalled(_)) && rounds <= onset + 2 {
            in_time += 1;
        } else {
            let after = i64::from(rounds) - i64::from(onset);
            *late.entry(format!("{mood:?}: {} {after:+}", record.end.name())).or_default() += 1;
        }
    }
    (share(in_time), late)
}

/// Both shares on debates of these seeds.
#[allow(clippy::print_stderr, reason = "the measured numbers are what a person wants to see")]
fn measured(seed: u64) -> (f64, f64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (stopped, by) = falsely_stopped(seed).await;
        let (in_time, late) = stopped_in_time(seed).await;
        eprintln!(
            "seed {seed}: falsely stopped {stopped:.4} ({by:?}); within two rounds {in_time:.4}; others: {late:?}"
        );
        (stopped, in_time)
    })
}

#[test]
fn converging_debates_are_hardly_ever_stopped_and_stalling_ones_within_two_rounds_on_seeds_nobody_fitted_to() {
    for seed in HELD {
        let (stopped, in_time) = measured(seed);
        assert!(stopped <= 0.02, "{stopped}");
        assert!(in_time >= 0.95, "{in_time}");
    }
}

#[test]
#[ignore = "what was fitted proves nothing: for whoever changes a rule, before the seeds above are looked at"]
fn rates_on_the_seeds_that_rules_are_fitted_on() {
    let (stopped, in_time) = measured(FIT);
    assert!(stopped <= 0.02 && in_time >= 0.95);
}

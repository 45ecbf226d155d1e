//! A council by chance, for measuring the rules apart from any model: how right seats are, what the critic sees, and who
//! gives way are shares that are known.

use futures::future::BoxFuture;

use super::measure::Checkable;
use crate::model::catalog::Tier;
use crate::model::{Money, Trouble, tokens};
use crate::turns::{Answer, Member, Question, Turns, lineage};

/// Seats that are right so often, and a critic who sees two thirds of what is wrong and minds a tenth of what is
/// right. Seats that are wrong give way to half of the objections, seats that are right to a seventh.
#[derive(Debug, Clone)]
pub struct Simulated {
    /// The questions that it may be asked.
    pub questions: Vec<Checkable>,
    /// How often a seat is right by itself, of a thousand.
    pub right: usize,
}

fn chance(of: &str) -> usize {
    let hash = of.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let mixed = (hash ^ (hash >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    usize::try_from((mixed ^ (mixed >> 29)) % 1000).unwrap_or(0)
}

impl Simulated {
    fn of(&self, question: &Question) -> &Checkable {
        static NONE: Checkable = Checkable { id: String::new(), question: String::new(), answer: String::new() };
        let text = question.messages.get(1).map_or("", |m| m.content.as_str());
        self.questions.iter().find(|q| text.contains(q.question.trim())).unwrap_or(&NONE)
    }

    fn reply(&self, q: &Question) -> String {
        let asked = self.of(q);
        let (right, wrong) = (asked.answer.clone(), format!("{}0", asked.answer));
        let seed = format!("{}/{}/{}/{}", asked.id, q.actor, q.round, q.temperature_milli);
        if q.actor == "critic" {
            let text = q.messages.get(1).map_or("", |m| m.content.as_str());
            let mut list = Vec::new();
            for (n, part) in text.split("## Answer ").skip(1).enumerate() {
                let letter = part.get(..1).unwrap_or_default();
                let is_right = part.contains(&format!("It is {right}."));
                let minds = chance(&format!("{seed}/{n}")) < if is_right { 100 } else { 660 };
                if minds {
                    let quote = if is_right { format!("It is {right}") } else { format!("It is {wrong}") };
                    list.push(serde_json::json!({"answer": letter, "severity": "blocker", "criterion": "correctness", "quote": quote,
                        "why": format!("that is not what follows in step {n} of round {}", q.round), "evidence": ""}));
                }
            }
            return serde_json::json!({ "objections": list }).to_string();
        }
        if q.actor.ends_with("votes") {
            // the right answer, when it is there, seven times of ten
            let text = q.messages.get(1).map_or("", |m| m.content.as_str());
            let parts: Vec<&str> = text.split("## Answer ").skip(1).collect();
            let good = parts.iter().position(|p| p.contains(&format!("It is {right}.")));
            let pick = good.filter(|_| chance(&seed) < 700).unwrap_or(0);
            return serde_json::json!({"choice": parts.get(pick).and_then(|p| p.get(..1)).unwrap_or("A"), "reason": "it follows"}).to_string();
        }
        let before = q.messages.iter().rev().find(|m| m.role == crate::model::Speaker::Assistant);
        let was_right = before.map(|m| m.content.contains(&format!("It is {right}.")));
        let ids: Vec<String> = q
            .messages
            .last()
            .map(|m| &m.content)
            .into_iter()
            .flat_map(|t| t.lines())
            .filter_map(|l| {
                l.split_once(" (").map(|(id, _)| id.to_owned()).filter(|id| id.starts_with('O') && id.len() < 5)
            })
            .collect();
        let gives_way = chance(&seed) < if was_right == Some(true) { 140 } else { 500 };
        let now_right = match was_right {
            None => chance(&seed) < self.right,
            Some(was) => was != gives_way,
        };
        let says = if gives_way { "accepted" } else { "rebutted" };
        let responses: Vec<_> =
            ids.iter().map(|id| serde_json::json!({"id": id, "verdict": says, "reason": "I looked again"})).collect();
        let said = if now_right { right } else { wrong };
        serde_json::json!({"position": said, "answer": format!("It is {said}."), "responses": responses}).to_string()
    }
}

impl Turns for Simulated {
    fn members(&self) -> BoxFuture<'_, Vec<Member>> {
        let member = |name: &str| Member {
            name: format!("s/{name}"),
            lineage: lineage(name),
            tier: Tier::Local,
            context: 8192,
            strength: 3,
        };
        Box::pin(async move { ["apple", "birch", "cedar", "dahlia"].map(member).to_vec() })
    }
    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<Answer, Trouble>> {
        Box::pin(async move {
            let (content, model) = (self.reply(question), question.model.clone().unwrap_or_default());
            Ok(Answer {
                prompt_tokens: tokens::of_messages(&question.messages),
                answer_tokens: tokens::count(&content),
                lineage: lineage(&model),
                answered_by: model.clone(),
                model,
                content,
                cost: Money::ZERO,
                cached: false,
                replayed: false,
                ms: 0,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::council::{Rules, measure};
    use crate::turns::seats;
    use tokio_util::sync::CancellationToken;

    #[tokio::test]
    #[allow(clippy::print_stderr, reason = "the measured numbers are what a person wants to see")]
    async fn a_council_is_not_worse_than_a_majority_vote_with_the_same_tokens_by_more_than_a_point() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/council/questions.jsonl");
        let shipped = measure::read(&std::fs::read_to_string(path).unwrap()).unwrap();
        // a share of 64 says little: the same questions under other names
        let again = |n: usize| {
            shipped.iter().map(move |q| Checkable {
                id: format!("{}/{n}", q.id),
                question: format!("{} [{n}]", q.question),
                answer: q.answer.clone(),
            })
        };
        let questions: Vec<Checkable> = (0..6).flat_map(again).collect();
        for right in [400, 600, 800] {
            let turns = Simulated { questions: questions.clone(), right };
            let table = seats::seat(&turns.members().await, 3, &[], Some("dahlia")).unwrap();
            let mut all = Vec::new();
            for question in &questions {
                all.push(measure::one(question, &table, &Rules::default(), &turns, &CancellationToken::new()).await);
            }
            let sum = measure::sum(&all);
            eprintln!("seats right {right} of 1000: {}", sum.text());
            assert!(sum.points >= -1.0, "{right}: {}", sum.text());
            let (bad, good) = sum.flips.values().fold((0, 0), |(b, g), f| (b + f.right_to_wrong, g + f.wrong_to_right));
            assert!(good > bad, "{good} wrong→right, {bad} right→wrong");
        }
    }
}

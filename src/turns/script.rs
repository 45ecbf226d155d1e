//! Turns by a script, for tests of the loops: who is there, and what each says to each question.

use std::sync::Mutex;
use std::time::Duration;

use futures::future::BoxFuture;

use super::{Answer, Member, Question, Turns, lineage};
use crate::model::catalog::Tier;
use crate::model::{Money, Trouble, tokens};

/// What a scripted turn does.
#[derive(Debug, Clone)]
pub enum Says {
    Text(String),
    /// Another model answers.
    As(&'static str, String),
    Trouble(Trouble),
    /// The answer comes this late.
    Late(u64, String),
}

type Rule = Box<dyn Fn(&Question) -> Says + Send + Sync>;

pub struct Script {
    pub members: Vec<Member>,
    pub rule: Rule,
    pub asked: Mutex<Vec<Question>>,
    /// Questions are kept.
    pub keeps: bool,
    pub cost: Money,
}

pub fn member(name: &str) -> Member {
    Member { name: name.into(), lineage: lineage(name), tier: Tier::Local, context: 8192, strength: 3 }
}

impl Script {
    pub fn new(members: &[&str], rule: impl Fn(&Question) -> Says + Send + Sync + 'static) -> Self {
        let members = members.iter().map(|name| member(name)).collect();
        Self { members, rule: Box::new(rule), asked: Mutex::default(), keeps: true, cost: Money(1000) }
    }
    pub fn questions(&self) -> Vec<Question> {
        self.asked.lock().unwrap().clone()
    }
}

impl Turns for Script {
    fn members(&self) -> BoxFuture<'_, Vec<Member>> {
        Box::pin(async { self.members.clone() })
    }
    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<Answer, Trouble>> {
        Box::pin(async move {
            if self.keeps {
                self.asked.lock().unwrap().push(question.clone());
            }
            let model = question.model.clone().unwrap_or_else(|| self.members[0].name.clone());
            let (by, content) = match (self.rule)(question) {
                Says::Text(text) => (model.clone(), text),
                Says::As(other, text) => (other.to_owned(), text),
                Says::Trouble(trouble) => return Err(trouble),
                Says::Late(ms, text) => {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    (model.clone(), text)
                }
            };
            let known = self.members.iter().find(|m| m.name == by);
            Ok(Answer {
                prompt_tokens: tokens::of_messages(&question.messages),
                answer_tokens: tokens::count(&content),
                lineage: known.map_or_else(|| lineage(&by), |m| m.lineage.clone()),
                answered_by: by,
                model,
                content,
                cost: self.cost,
                cached: false,
                replayed: false,
                ms: 0,
            })
        })
    }
}

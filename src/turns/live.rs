//! Turns with real models: through the router, the budget and the cache, like everybody's.

use std::sync::Arc;
use std::time::Instant;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::{Answer, Member, Question, Turns, lineage};
use crate::cache::Source;
use crate::model::models::{Asker, Wish};
use crate::model::router::Evidence;
use crate::model::{Models, Trouble, Turn};
use crate::trajectory::Recorder;

/// The models of a run.
#[derive(Debug, Clone)]
pub struct Live {
    /// They.
    pub models: Arc<Models>,
    /// Events.
    pub recorder: Recorder,
    /// Stops them.
    pub cancel: CancellationToken,
}

impl Live {
    async fn turn(&self, question: &Question) -> Result<Answer, Trouble> {
        let began = Instant::now();
        let turn = Turn {
            answer_tokens: question.answer_tokens,
            temperature_milli: question.temperature_milli,
            schema: question.schema.clone(),
            deadline: question.deadline,
            question: question.asks.clone(),
            ..Turn::new(question.role, question.messages.clone())
        };
        let wish = Wish {
            // one with a price sits at a table only when a person named it
            evidence: question.evidence.clone().or_else(|| question.model.as_ref().map(|_| Evidence::Named)),
            models: self.wanted(question).await,
            not_families: Vec::new(),
        };
        let name = question.of.asker(&question.actor);
        let asker = Asker { name: &name, recorder: &self.recorder, cancel: &self.cancel };
        let answered = self.models.ask(&turn, &wish, asker).await?;
        Ok(Answer {
            lineage: lineage(&answered.reply.model),
            answered_by: answered.reply.model,
            model: answered.model,
            prompt_tokens: answered.reply.usage.prompt,
            answer_tokens: answered.reply.usage.answer,
            cost: answered.reply.cost,
            cached: matches!(answered.source, Source::Exact | Source::Semantic { .. }),
            replayed: false,
            content: answered.reply.content,
            ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Exactly the model that is asked for; else everybody of another make than the question forbids.
    async fn wanted(&self, question: &Question) -> Vec<String> {
        match &question.model {
            Some(model) => vec![model.clone()],
            None if question.not.is_empty() => Vec::new(),
            None => {
                let members = self.members().await;
                members.into_iter().filter(|m| !question.not.contains(&m.lineage)).map(|m| m.name).collect()
            }
        }
    }
}

impl Turns for Live {
    fn members(&self) -> BoxFuture<'_, Vec<Member>> {
        Box::pin(async {
            let offers = self.models.offers().await;
            let member = |offer: crate::model::router::Offer| Member {
                lineage: lineage(offer.name.split_once('/').map_or(offer.name.as_str(), |(_, id)| id)),
                tier: offer.tier,
                context: offer.context,
                strength: offer.strength,
                name: offer.name,
            };
            offers.into_iter().filter(|offer| offer.left.is_none()).map(member).collect()
        })
    }

    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<Answer, Trouble>> {
        Box::pin(self.turn(question))
    }
}

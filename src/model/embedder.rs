//! Vectors of questions from a server with `/v1/embeddings`, for the cache: only where they cost nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;

use super::catalog::Tier;
use super::client::{Client, Endpoint};
use super::discover;
use super::gate::{self, Passage};
use super::providers::OWN;
use super::settings::Settings;
use super::trouble::Trouble;
use crate::cache::embed::normalise;
use crate::cache::{BuiltIn, Embedder};
use crate::error::Result;

/// A vector is made within milliseconds; a cache that makes one wait is none.
const LIMIT: Duration = Duration::from_secs(5);
/// From this cosine on the guard is asked whether two questions mean the same: nothing is known of the model, so it is the
/// usual bound for sentence embedders and not a fitted one.
const THRESHOLD: f32 = 0.92;

/// The embedder that the settings name; the built-in one where it can't be asked, or would cost something.
pub fn of(settings: &Settings, client: impl FnOnce() -> std::result::Result<Client, Trouble>) -> Box<dyn Embedder> {
    let Some((provider, model)) = settings.embedder.split_once('/') else { return Box::new(BuiltIn) };
    let remote = || {
        let at = discover::endpoint(settings, provider)?;
        let url = format!("{}/embeddings", at.base);
        let said = provider == OWN && settings.own_costs_nothing && !settings.free_only;
        let tier = if said { Tier::Free } else { gate::tier(&Passage { url: &url, model: Some(model) }) };
        let (client, handle) = (client().ok()?, Handle::try_current().ok()?);
        let id = format!("{provider}/{model}");
        let failed = AtomicBool::new(false);
        (tier != Tier::Paid).then_some(Remote { client, at, model: model.to_owned(), id, handle, failed })
    };
    match remote() {
        Some(remote) => Box::new(remote),
        None => {
            tracing::warn!(
                "{} can't be asked for nothing: questions are compared by the built-in embedder",
                settings.embedder
            );
            Box::new(BuiltIn)
        }
    }
}

struct Remote {
    client: Client,
    at: Endpoint,
    model: String,
    id: String,
    handle: Handle,
    failed: AtomicBool,
}

impl Embedder for Remote {
    fn id(&self) -> &str {
        &self.id
    }

    fn threshold(&self) -> f32 {
        THRESHOLD
    }

    /// Without an answer there is no vector: nothing is similar to it, and equal questions still hit.
    fn embed(&self, text: &str) -> Result<Vec<f32>> {
        if self.failed.load(Ordering::Relaxed) {
            return Ok(Vec::new());
        }
        let ask = self.client.embed(&self.at, &self.model, text, LIMIT);
        // on a thread of its own: who calls may stand on one that drives futures
        let asked = std::thread::scope(|scope| scope.spawn(|| self.handle.block_on(ask)).join());
        match asked {
            Ok(Ok(mut vector)) => {
                normalise(&mut vector);
                Ok(vector)
            }
            Ok(Err(trouble)) => {
                self.failed.store(true, Ordering::Relaxed);
                tracing::warn!("{} makes no vectors ({trouble}): only equal questions are served", self.id);
                Ok(Vec::new())
            }
            Err(_) => Ok(Vec::new()),
        }
    }
}

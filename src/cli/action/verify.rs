//! Judging a heal again where its branch has moved: in the job that may run code, before anything is pushed.

use futures::future::BoxFuture;

use crate::cli::action::output;
use crate::cli::context::Context;
use crate::cli::judge;
use crate::config::Loaded;
use crate::error::{Error, Result};
use crate::github::deliver::Verify;
use crate::github::pristine::Pristine;
use crate::repo::{Repository, Sha};

/// Judges with the suite and the rules of the first time.
pub struct Again<'a> {
    /// The context.
    pub context: &'a Context,
    /// The clone that the heal was found in: its objects and build folders are borrowed.
    pub repository: &'a Repository,
    /// The rules.
    pub loaded: &'a Loaded,
    /// The suite.
    pub suite: Option<&'a str>,
}

impl Verify for Again<'_> {
    fn verify<'a>(&'a self, pristine: &'a Pristine, tip: &'a str, merged: &'a str) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let patch = pristine.diff(tip, merged)?;
            let at = judge::At { git_dir: pristine.git_dir(), name: pristine.offer(tip)?, commit: Sha(tip.to_owned()) };
            let (context, repository, loaded) = (self.context.clone(), self.repository.clone(), self.loaded.clone());
            let suite = self.suite.map(str::to_owned);
            // the judge has a runtime of its own
            let judged = std::thread::spawn(move || {
                output::quietly(&context, || judge::at(&context, &repository, &loaded, suite.as_deref(), &at, &patch))
            });
            let done = tokio::task::spawn_blocking(move || judged.join()).await;
            match done {
                Ok(Ok(document)) => Ok(document?.verdict.as_deref() == Some("healed")),
                Ok(Err(_)) | Err(_) => Err(Error::internal("the judge panicked")),
            }
        })
    }
}

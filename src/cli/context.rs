//! What every subcommand works with: the folder, the terminal, cancellation, the configuration.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::cli::options::Global;
use crate::cli::panics::LogPlace;
use crate::config::{self, Loaded, Override};
use crate::console::Terminal;
use crate::error::{Context as _, Error, Exit, Result};
use crate::repo::Repository;
use crate::system::StopRequests;
use crate::trajectory::Entry;

/// What every subcommand works with.
#[derive(Debug, Clone)]
pub struct Context {
    /// The terminal.
    pub terminal: Terminal,
    /// The folder to work in.
    pub dir: PathBuf,
    /// Say more.
    pub verbose: bool,
    /// Where the log of this run is, once there is one: named when we panic.
    pub log_place: LogPlace,
    /// Cancels everything that is waited for in this context.
    pub cancel: CancellationToken,
    /// Sees every event of runs in this context, secrets covered.
    pub watch: Option<Watch>,
}

/// Somebody who looks on.
#[derive(Clone)]
pub struct Watch(pub Arc<dyn Fn(&Entry) + Send + Sync>);

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

impl Context {
    /// For one call of the program.
    pub fn new(terminal: Terminal, global: &Global, log_place: LogPlace) -> Self {
        let (dir, verbose, cancel) = (global.dir.clone(), global.verbose, CancellationToken::new());
        Self { terminal, dir, verbose, log_place, cancel, watch: None }
    }

    /// The repository that the folder is in.
    ///
    /// # Errors
    /// When it is in none.
    pub fn repository(&self) -> Result<Repository> {
        if !self.dir.is_dir() {
            return Err(Error::usage(format!("{} is not a folder", self.dir.display())).hint("check the path after -C"));
        }
        Repository::discover(&self.dir)
    }

    /// The configuration for `repository`; with `--verbose`, says where its values came from.
    ///
    /// # Errors
    /// When something in it is wrong.
    pub fn config(&self, repository: &Repository, options: &[Override]) -> Result<Loaded> {
        self.config_at(&repository.root, options)
    }

    /// The same for any folder.
    ///
    /// # Errors
    /// As [`Context::config`].
    pub fn config_at(&self, root: &std::path::Path, options: &[Override]) -> Result<Loaded> {
        let env: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let loaded = config::load(root, &env, options)?;
        if self.verbose {
            let style = self.terminal.err_style();
            for setting in &loaded.settings {
                let line = format!("{:<20} {:<24} {}", setting.key, setting.value, setting.origin);
                self.terminal.err(&format!("{}\n", style.dim(line.trim_end())));
            }
        }
        for note in &loaded.notes {
            self.terminal.err(&format!("note: {note}\n"));
        }
        Ok(loaded)
    }

    /// Runs `work` to its end. The first Ctrl-C or TERM cancels its token, so that it can clean up and say what was
    /// learned; the second ends the process at once.
    ///
    /// # Errors
    /// Those of `work`, or when no threads can be made.
    pub fn wait<W, F, T>(&self, work: W) -> Result<T>
    where
        W: FnOnce(CancellationToken) -> F,
        F: Future<Output = Result<T>>,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context(|| "can't start the threads to work with".into())?;
        let cancel = self.cancel.child_token();
        let terminal = self.terminal.clone();
        let result = runtime.block_on(async {
            let watcher = tokio::spawn(watch_signals(cancel.clone(), terminal));
            let result = work(cancel).await;
            watcher.abort();
            result
        });
        // Work that is still blocking (a workspace being made) is not waited for: its folder is removed at the end.
        runtime.shutdown_timeout(std::time::Duration::from_secs(2));
        result
    }
}

async fn watch_signals(cancel: CancellationToken, terminal: Terminal) {
    let Ok(mut requests) = StopRequests::new() else { return };
    loop {
        requests.next().await;
        if cancel.is_cancelled() {
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
        cancel.cancel();
        terminal.err("\nstopping and cleaning up … (once more: stop at once)\n");
    }
}

//! `kaizen-ci replay`: checks a receipt again, offline: the same tree, the same patch, the same tests, the same verdict.

use std::path::{Path, PathBuf};

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::cli::choice;
use crate::cli::context::Context;
use crate::cli::session::Session;
use crate::console::Progress;
use crate::error::{Context as _, Exit, Result};
use crate::judge::receipt::Receipt;
use crate::judge::replay::{self, Difference};
use crate::lab::{Confinement, Lab};
use crate::repo::Store;
use crate::report::escape::one_line;

/// Options of `replay`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci replay .git/kaizen/runs/…/receipt.json\n\nExit code 0: everything is as the receipt says; 50: something differs."
)]
pub struct Replay {
    /// The receipt
    #[arg(value_name = "RECEIPT")]
    pub receipt: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Checks it.
///
/// # Errors
/// When it can't be read, or the repository or the machine is not as needed.
pub fn run(context: &Context, args: &Replay) -> Result<Exit> {
    let receipt = Receipt::read(&args.receipt)?;
    let folder = args.receipt.parent().unwrap_or(Path::new(".")).to_path_buf();
    let repository = context.repository()?;
    let loaded = context.config(&repository, &[])?;
    let carry = choice::carried(&repository, &loaded.config)?.carry;
    let progress = Progress::choose(&context.terminal, false, args.json);
    let session = Session::begin(context, &repository, "replay", 0, progress)?;
    let store = Store::create(&repository, &session.run.temp)?;
    let (allow, confinement) = (loaded.config.env_allow.clone(), Confinement::of(&loaded.config)?);
    let lab = Lab::confined(store, carry, allow, loaded.config.parallel, confinement);
    let recorder = &session.recorder;
    let (checked, folder) = (&receipt, folder.as_path());
    let found = context.wait(|cancel: CancellationToken| async move {
        replay::replay(checked, folder, &lab, recorder, &cancel).await
    });
    let differences = match found {
        Ok(differences) => differences,
        Err(error) => {
            session.failed(context, &error);
            return Err(error);
        }
    };
    session.progress.finish();
    let exit = if differences.is_empty() { Exit::Ok } else { Exit::ReceiptDiffers };
    let _ = session.end(exit);
    show(context, args, &receipt, &differences, exit)?;
    Ok(exit)
}

fn show(context: &Context, args: &Replay, receipt: &Receipt, differences: &[Difference], exit: Exit) -> Result<()> {
    let terminal = &context.terminal;
    if args.json {
        let document = serde_json::json!({
            "schema": "kaizen-ci/replay/v1", "exit": exit.code(), "run": receipt.run, "differences": differences,
        });
        let text = serde_json::to_string_pretty(&document).context(|| "can't write the document".into())?;
        terminal.out(&format!("{text}\n"));
        return Ok(());
    }
    let style = terminal.out_style();
    if differences.is_empty() {
        let tests = crate::report::numbers::count(receipt.healed.len(), "test");
        terminal.out(&format!("{} {tests} red → green again\n", style.good("everything is as the receipt says:")));
        return Ok(());
    }
    terminal.out(&format!("{}\n", style.bad("not as the receipt says:")));
    for difference in differences {
        let what = one_line(&difference.what, 60);
        let (expected, found) = (one_line(&difference.expected, 200), one_line(&difference.found, 200));
        terminal.out(&format!(
            "  {what}\n    {} {expected}\n    {} {found}\n",
            style.dim("receipt"),
            style.dim("now    ")
        ));
    }
    Ok(())
}

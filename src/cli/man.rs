//! `kaizen-ci man`: the manual page, generated from the command line itself.

use clap::Args;

use crate::cli::context::Context;
use crate::config::keys::{KEYS, Key};
use crate::error::{Context as _, Exit, Result};

/// Options of `man`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  kaizen-ci man > ~/.local/share/man/man1/kaizen-ci.1\n  kaizen-ci man | man -l -")]
pub struct Man {}

/// Prints it.
///
/// # Errors
/// Never in practice: it is written to memory.
pub fn run(context: &Context, _: &Man) -> Result<Exit> {
    let mut out = Vec::new();
    page(&mut out).context(|| "can't write the manual page".into())?;
    context.terminal.out_bytes(&out);
    Ok(Exit::Ok)
}

fn page(out: &mut Vec<u8>) -> std::io::Result<()> {
    let command = super::command();
    clap_mangen::Man::new(command.clone()).render(out)?;
    for sub in command.get_subcommands() {
        let name = sub.get_name().to_uppercase();
        section(out, &format!("KAIZEN-CI {name}"));
        let named = sub.clone().bin_name(format!("kaizen-ci {}", sub.get_name()));
        let man = clap_mangen::Man::new(named);
        man.render_synopsis_section(out)?;
        man.render_description_section(out)?;
        man.render_options_section(out)?;
    }
    section(out, "EXIT STATUS");
    for exit in Exit::ALL {
        item(out, &format!("{} ({})", exit.code(), exit.name()), exit.about());
    }
    section(out, "CONFIGURATION (.kaizen.yml)");
    for key in KEYS {
        let variable = Key::variable(key).map(|name| format!(" Variable: {name}.")).unwrap_or_default();
        item(out, key.name, &format!("{} Default: {}.{variable}", key.about, key.default_words));
    }
    Ok(())
}

fn section(out: &mut Vec<u8>, title: &str) {
    out.extend_from_slice(format!(".SH \"{title}\"\n").as_bytes());
}

fn item(out: &mut Vec<u8>, name: &str, text: &str) {
    let safe = |text: &str| text.replace('\\', "\\e").replace('-', "\\-").replace('`', "");
    out.extend_from_slice(format!(".TP\n{}\n\\&{}\n", safe(name), safe(text)).as_bytes());
}

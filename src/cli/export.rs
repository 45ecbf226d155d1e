//! `kaizen-ci export`: a run as OpenTelemetry spans or as an ATIF trajectory.

use clap::{Args, ValueEnum};

use crate::cli::context::Context;
use crate::cli::loops;
use crate::error::{Context as _, Error, Exit, Result};
use crate::report::{atif, otlp};
use crate::state;

/// Options of `export`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci export > trace.json                             the latest run, as OpenTelemetry spans\n  kaizen-ci export 20261122 --format atif > run.json\n  kaizen-ci export --endpoint http://127.0.0.1:4318         to a collector; OTEL_EXPORTER_OTLP_HEADERS is sent along"
)]
pub struct Export {
    /// The run: its name, the beginning of it, `latest`, or the path of an events.jsonl
    #[arg(default_value = state::LATEST)]
    pub run: String,
    /// As what
    #[arg(long, value_enum, default_value = "otlp")]
    pub format: Format,
    /// Send it there (`/v1/traces` is added) instead of printing it
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
}

/// As what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// OpenTelemetry spans in OTLP's JSON
    Otlp,
    /// Agent Trajectory Interchange Format
    Atif,
}

/// Prints or sends it. Secrets were covered when the events were written.
///
/// # Errors
/// When there is no such run, or the collector does not take it.
pub fn run(context: &Context, args: &Export) -> Result<Exit> {
    let entries = loops::earlier(context, &args.run)?;
    let document = match args.format {
        Format::Otlp => otlp::render(&entries),
        Format::Atif => atif::render(&entries),
    };
    match &args.endpoint {
        None => {
            // a file of OTLP is read line by line: one document each
            let text = match args.format {
                Format::Otlp => serde_json::to_string(&document),
                Format::Atif => serde_json::to_string_pretty(&document),
            };
            let text = text.context(|| "can't write the document".into())?;
            context.terminal.out(&format!("{text}\n"));
        }
        Some(_) if args.format == Format::Atif => {
            return Err(Error::usage("--endpoint takes OpenTelemetry spans")
                .hint("leave --format away, or print ATIF to a file"));
        }
        Some(endpoint) => {
            let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
            context.wait(|_| send(url, document))?;
        }
    }
    Ok(Exit::Ok)
}

/// The headers that OpenTelemetry's own variable names: `a=b,c=d`.
fn headers(text: &str) -> Vec<(String, String)> {
    let pair = |part: &str| part.split_once('=').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    text.split(',').filter_map(pair).filter(|(name, _)| !name.is_empty()).collect()
}

async fn send(url: String, document: serde_json::Value) -> Result<()> {
    let cannot = |why: String| {
        Error::environment(format!("the collector at {url} did not take the spans"))
            .why(why)
            .hint("check --endpoint; without it the spans are printed")
    };
    let limit = std::time::Duration::from_secs(30);
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(limit).build();
    let client = client.map_err(|e| cannot(e.to_string()))?;
    let body = serde_json::to_vec(&document).context(|| "can't write the document".into())?;
    let mut request = client.post(&url).header("content-type", "application/json").body(body);
    for (name, value) in headers(&std::env::var("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default()) {
        request = request.header(name, value);
    }
    let answer = request.send().await.map_err(|e| cannot(e.without_url().to_string()))?;
    match answer.status().as_u16() {
        200..=299 => Ok(()),
        status => Err(cannot(format!("it answers {status}"))),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn headers_are_read_as_opentelemetry_writes_them() {
        let found = super::headers("authorization=Bearer a=b, x-team = blue,broken,=y");
        assert_eq!(found, [("authorization".into(), "Bearer a=b".into()), ("x-team".into(), "blue".into())]);
    }
}

//! The logs of jobs that failed elsewhere: fetched, stripped of what the runner adds, and read for what was red.

use std::io::{Cursor, Read as _};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::clean;
use super::client::{Client, Trouble};
use super::likely::{self, Likely};
use crate::failure::excerpt;
use crate::mask::Mask;
use crate::report::escape;
use crate::suite::formats;

/// More of one log is not read.
pub const LOG_MOST_BYTES: usize = 100 * 1024 * 1024;

/// So many failed jobs are looked at: a matrix that fails, fails everywhere for the same reason.
const MOST_JOBS: usize = 5;

/// So many files of a zip are looked at.
const MOST_FILES: usize = 2000;

/// So many names of red tests are shown.
const MOST_NAMES: usize = 30;

/// One failed job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedJob {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The step that failed.
    pub step: Option<String>,
    /// Its page.
    pub url: Option<String>,
}

/// What a log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The job.
    pub job: FailedJob,
    /// Names of what was red.
    pub red: Vec<String>,
    /// The part of the log that matters.
    pub excerpt: String,
    /// The likely cause; none: no rule knows one.
    pub likely: Option<Likely>,
    /// The same for the same failure in other jobs and runs.
    pub print: String,
    /// There was more of the log than we read.
    pub cut: bool,
}

/// The failed jobs in an answer of `GET …/actions/runs/{id}/jobs`.
pub fn failed_jobs(answer: &Value) -> Vec<FailedJob> {
    let jobs = answer.get("jobs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let failed = |value: &Value| matches!(value["conclusion"].as_str(), Some("failure" | "timed_out"));
    let job = |value: &Value| {
        let steps = value["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
        let step = steps.iter().find(|step| failed(step)).and_then(|step| step["name"].as_str()).map(str::to_owned);
        let name = value["name"].as_str().unwrap_or("a job").to_owned();
        let url = value["html_url"].as_str().filter(|url| url.starts_with("https://")).map(str::to_owned);
        Some(FailedJob { id: value["id"].as_u64()?, name, step, url })
    };
    jobs.iter().filter(|value| failed(value)).filter_map(job).collect()
}

static STAMP: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?m)^\u{feff}?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z ?").ok());
static GROUP: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?m)^##\[[a-z]+\]").ok());

/// A log as the command wrote it: without the runner's time stamps and marks.
pub fn bare(log: &str) -> String {
    let log = log.replace('\r', "");
    let without = |text: String, pattern: &LazyLock<Option<Regex>>| match pattern.as_ref() {
        Some(pattern) => pattern.replace_all(&text, "").into_owned(),
        None => text,
    };
    without(without(log, &STAMP), &GROUP)
}

/// Reads a log.
pub fn read(job: FailedJob, log: &str, cut: bool) -> Diagnosis {
    let log = bare(log);
    let red = formats::log::failed(&log);
    let mut bytes = log.as_bytes();
    let excerpt = excerpt::excerpt(&mut [("log", &mut bytes)]);
    let (likely, print) = (likely::of(&log, &red, &excerpt), likely::print(&red, &excerpt));
    Diagnosis { job, red, excerpt, likely, print, cut }
}

/// The log of `job` in the zip of a run's logs. GitHub calls it `0_<job>.txt`, without the slashes of the job's name.
/// Nothing is written to disk, and no more than [`LOG_MOST_BYTES`] comes out, whatever the zip says of itself.
///
/// # Errors
/// When it is no zip, or has no such log.
pub fn of_zip(bytes: &[u8], job: &str) -> Result<(String, bool), String> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
    let wanted: String = job.chars().filter(|c| !"/\\:*?\"<>|".contains(*c)).collect();
    for at in 0..zip.len().min(MOST_FILES) {
        let file = zip.by_index(at).map_err(|error| error.to_string())?;
        let name = file.name().to_owned();
        let Some((number, rest)) = name.strip_suffix(".txt").and_then(|name| name.split_once('_')) else { continue };
        if !number.bytes().all(|b| b.is_ascii_digit()) || rest.trim() != wanted.trim() {
            continue;
        }
        let mut text = Vec::new();
        let most = LOG_MOST_BYTES as u64;
        file.take(most + 1).read_to_end(&mut text).map_err(|error| error.to_string())?;
        let cut = text.len() > LOG_MOST_BYTES;
        text.truncate(LOG_MOST_BYTES);
        return Ok((String::from_utf8_lossy(&text).into_owned(), cut));
    }
    Err(format!("no log of the job {job:?} in it"))
}

/// Fetches and reads the logs of the jobs of `run` that failed.
///
/// # Errors
/// When the jobs can't be listed, or none of their logs can be had.
pub async fn of_run(client: &Client, run: u64) -> Result<Vec<Diagnosis>, Trouble> {
    let route = client.route(&format!("/actions/runs/{run}/jobs?filter=latest&per_page=100"));
    let jobs = failed_jobs(&client.read(&route).await?.body);
    let (mut found, mut trouble, mut archive) = (Vec::new(), None, None);
    for job in jobs.into_iter().take(MOST_JOBS) {
        let route = client.route(&format!("/actions/jobs/{}/logs", job.id));
        match client.download(&route, LOG_MOST_BYTES).await {
            Ok(log) => found.push(read(job, &String::from_utf8_lossy(&log.bytes), log.cut)),
            Err(first) => {
                // the logs of the whole run are kept elsewhere, and sometimes longer
                if archive.is_none() {
                    let route = client.route(&format!("/actions/runs/{run}/logs"));
                    archive = Some(client.download(&route, LOG_MOST_BYTES).await);
                }
                let zip = archive.as_ref().and_then(|zip| zip.as_ref().ok());
                match zip.and_then(|zip| of_zip(&zip.bytes, &job.name).ok()) {
                    Some((text, cut)) => found.push(read(job, &text, cut)),
                    None => trouble = trouble.or(Some(first)),
                }
            }
        }
    }
    match (found.is_empty(), trouble) {
        (true, Some(trouble)) => Err(trouble),
        _ => Ok(found),
    }
}

/// The latest failed run of a workflow on `sha`, none when nothing failed there.
///
/// # Errors
/// When GitHub does not answer.
pub async fn failed_run_on(client: &Client, sha: &str) -> Result<Option<u64>, Trouble> {
    let route = client.route(&format!("/actions/runs?head_sha={sha}&status=failure&per_page=10"));
    let answer = client.read(&route).await?.body;
    let runs = answer.get("workflow_runs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Ok(runs.iter().filter_map(|run| run.get("id")?.as_u64()).max())
}

/// What the logs say, for people. Everything in it was written by code that we don't know.
pub fn markdown(found: &[Diagnosis], mask: &Mask) -> String {
    let mut out = String::from("Read from the logs alone; nothing was run.\n\n");
    if found.is_empty() {
        out.push_str("No job of that run failed.\n");
    }
    for one in found {
        let step = one.job.step.as_ref().map(|step| format!(", step {}", escape::code(step))).unwrap_or_default();
        out.push_str(&format!("**{}**{step}\n\n", escape::markdown(&one.job.name)));
        out.push_str(&likely_words(one, mask));
        match one.red.len() {
            0 => out.push_str("No name of a red test is in its log.\n\n"),
            count => {
                out.push_str(&format!("{}:\n\n", crate::report::numbers::count(count, "red test")));
                for name in one.red.iter().take(MOST_NAMES) {
                    out.push_str(&format!("- {}\n", escape::code(&clean::seen(name, mask))));
                }
                out.push('\n');
            }
        }
        let excerpt = clean::seen(&one.excerpt, mask);
        let log = super::body::folded("The part of the log that matters", &escape::fence("text", &excerpt));
        out.push_str(&log);
        if one.cut {
            out.push_str("\nThe log is longer than 100 MB: only its beginning was read.\n");
        }
        out.push('\n');
    }
    out
}

/// What is likely, what to try and what shows it.
fn likely_words(one: &Diagnosis, mask: &Mask) -> String {
    let print = escape::code(&one.print);
    let Some(likely) = &one.likely else {
        return format!("- likely: no rule knows this failure (fingerprint {print})\n\n");
    };
    let said = |text: &str| escape::markdown(&escape::one_line(&clean::seen(text, mask), 300));
    let mut out = format!("- likely: {} (fingerprint {print})\n", said(&likely.cause));
    if !likely.next.is_empty() {
        out.push_str(&format!("- try: {}\n", said(&likely.next)));
    }
    for line in &likely.lines {
        out.push_str(&format!("- evidence: {}\n", escape::code(&escape::one_line(&clean::seen(line, mask), 300))));
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use serde_json::json;

    use super::*;

    const LOG: &str = "\u{feff}2026-01-01T00:00:00.1234567Z ##[group]Run pytest -q\r\n\
        2026-01-01T00:00:01.0000000Z FAILED tests/test_cart.py::test_total - assert 3 == 4\r\n\
        2026-01-01T00:00:01.0000000Z ##[error]Process completed with exit code 1.\r\n";

    fn job() -> FailedJob {
        FailedJob { id: 1, name: "test".into(), step: None, url: None }
    }

    fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn time_stamps_and_marks_of_the_runner_are_not_taken_for_words_of_the_tests() {
        let found = read(job(), LOG, false);
        assert_eq!(found.red, ["tests/test_cart.py::test_total"]);
        assert!(!found.excerpt.contains("2026-01-01T") && !found.excerpt.contains("##["), "{}", found.excerpt);
    }

    #[test]
    fn the_log_of_a_job_is_found_in_the_zip_of_the_run_and_nothing_else_is() {
        let zip = zipped(&[
            ("0_build _ lint.txt", b"other"),
            ("../../1_test.txt", b"outside"),
            ("1_test (3.12, a b).txt", LOG.as_bytes()),
            ("test (3.12, a b)/1_Set up job.txt", b"step"),
        ]);
        let (text, cut) = of_zip(&zip, "test (3.12, a/ b)").unwrap();
        assert!(text.contains("FAILED") && !cut);
        assert!(of_zip(&zip, "test").is_err());
        assert!(of_zip(b"no zip", "test").is_err());
    }

    #[test]
    fn jobs_that_failed_are_told_from_those_that_did_not() {
        let answer = json!({"total_count": 3, "jobs": [
            {"id": 1, "name": "a", "conclusion": "success", "steps": []},
            {"id": 2, "name": "b", "conclusion": "failure", "html_url": "javascript:x",
             "steps": [{"name": "setup", "conclusion": "success"}, {"name": "pytest", "conclusion": "failure"}]},
            {"id": 3, "name": "c", "conclusion": null},
        ]});
        let expected = FailedJob { id: 2, name: "b".into(), step: Some("pytest".into()), url: None };
        assert_eq!(failed_jobs(&answer), [expected]);
        assert_eq!(failed_jobs(&Value::Null), []);
    }

    #[test]
    fn what_a_log_says_is_shown_as_text_only() {
        let hostile = "FAILED tests/a.py::@everyone<!-- x -->\u{202e} - x\n```\n@octocat 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\n";
        let out = markdown(&[read(job(), hostile, true)], &Mask::new(Vec::<String>::new()));
        assert!(!out.contains("ghp_xz7") && !out.contains('\u{202e}') && !out.contains("<!-- x"), "{out}");
        assert!(out.contains("````"), "the fence of the log ends inside of it:\n{out}");
        assert!(out.contains("100 MB"));
    }

    #[test]
    fn the_likely_cause_comes_first_with_what_to_try_and_the_line_that_shows_it() {
        let log = "2026-01-01T00:00:00.1Z ##[group]Run make\n2026-01-01T00:00:01.0Z /t/1.sh: line 2: ffmpeg: command not found\n";
        let out = markdown(&[read(job(), log, false)], &Mask::new(Vec::<String>::new()));
        let place = |words: &str| out.find(words).unwrap_or_else(|| panic!("{words}: {out}"));
        assert!(place("likely: the environment") < place("try: install ffmpeg"));
        assert!(place("evidence: `/t/1.sh: line 2: ffmpeg: command not found`") < place("<details>"));
    }
}

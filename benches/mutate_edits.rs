//! How many edits a second are generated and checked, and what a long search holds: `cargo bench --bench mutate_edits`.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use kaizen_ci::fixer::mutate::edits::{Project, apply, check, edits};
use kaizen_ci::fixer::mutate::localise::Place;
use kaizen_ci::fixer::mutate::queue::Queue;

/// A file of ordinary size: the same functions under different names.
fn program(functions: usize) -> String {
    let one = "def search_N(values, wanted, limit=0):\n    low, high = 0, len(values)\n    steps = 0\n    while low < high:\n        middle = (low + high) // 2\n        steps += 1\n        if limit and steps > limit:\n            break\n        if values[middle] == wanted:\n            return middle\n        if values[middle] < wanted:\n            low = middle + 1\n        else:\n            high = middle\n    return -1\n\n\n";
    (0..functions).map(|at| one.replace('N', &at.to_string())).collect()
}

fn main() {
    for functions in [1, 30] {
        let text = program(functions);
        let start = Instant::now();
        let project = Project::load(vec![(b"program.py".to_vec(), text.clone().into_bytes())], |_| true);
        let loaded = start.elapsed();
        let lines = (1..16).collect();
        let start = Instant::now();
        let found = edits(&project, b"program.py", Some(&lines));
        let generated = start.elapsed();
        let start = Instant::now();
        let right = found.iter().filter(|edit| check(&project.sources()[0], &apply(&text, edit)).is_some()).count();
        let checked = start.elapsed();
        let rate = |count: usize, time: std::time::Duration| count as f64 / time.as_secs_f64().max(1e-9);
        println!(
            "{:>5} lines: loaded in {loaded:.1?}, {} edits generated and checked in {generated:.1?} ({:.0}/s), {right} checked again in {checked:.1?} ({:.0}/s)",
            text.lines().count(),
            found.len(),
            rate(found.len(), generated),
            rate(right, checked),
        );
    }
    long_search();
}

/// Megabytes that this process holds, where the system tells.
fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
}

/// Takes 100,000 candidates from the queue of a search, and says what that holds on the way.
fn long_search() {
    let files: Vec<(Vec<u8>, Vec<u8>)> =
        (0..40).map(|n| (format!("program_{n}.py").into_bytes(), program(10).into_bytes())).collect();
    let lines = program(10).lines().count();
    let place = |n: usize, line| Place { path: format!("program_{n}.py"), line, score: 1.0 / (1.0 + n as f64) };
    let places = (0..40).flat_map(|n| (1..=lines).map(move |line| place(n, line))).collect();
    let project = Project::load(files, |_| true);
    let mut queue = Queue::new(places);
    let start = Instant::now();
    let mut taken = 0_u32;
    while taken < 100_000 && queue.next(&project).is_some() {
        taken += 1;
        if matches!(taken, 1_000 | 10_000 | 25_000 | 50_000 | 75_000 | 100_000) {
            println!("{taken:>7} candidates taken: {:.1} MB, {:.1?}", resident_mb(), start.elapsed());
        }
    }
}

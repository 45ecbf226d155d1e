//! How many edits a second are generated and checked: `cargo bench --bench mutate_edits`.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use kaizen_ci::fixer::mutate::edits::{Project, apply, check, edits};

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
}

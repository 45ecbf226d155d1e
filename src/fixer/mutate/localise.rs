//! Where to look: one score per line of the files that may be edited, from coverage, stack traces, changed lines and names.

use std::collections::{BTreeMap, BTreeSet};

use crate::words::Suspect;

use super::probe::Coverage;

/// A line with its score.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// File relative to the top of the tree.
    pub path: String,
    /// From 1.
    pub line: usize,
    /// Above 0; 1.0 and a little more is the top.
    pub score: f64,
}

/// What is known.
#[derive(Debug, Default)]
pub struct Clues<'a> {
    /// Files that may be edited and how many lines each has.
    pub files: Vec<(&'a str, usize)>,
    /// From logs, compilers, the change, and names.
    pub suspects: &'a [Suspect],
    /// Lines by test.
    pub coverage: Option<&'a Coverage>,
    /// Red tests, as numbers of the coverage.
    pub red: &'a [usize],
    /// Lines that changed since the suite was green, by file.
    pub changed: BTreeMap<String, BTreeSet<usize>>,
}

/// A line that no red test executes can hardly be the one, but a line can be missing beside it.
const NEVER_EXECUTED: f64 = 0.002;
/// Lines outside of functions run when the file is loaded, before any test: coverage says nothing of them.
const OUTSIDE: f64 = 0.12;
/// Every executed line has this much, whatever the green tests do: a wrong line is often executed by green tests too.
const EXECUTED: f64 = 0.35;
/// A line near a suspect, without coverage, halves its score every so many lines.
const HALVING_LINES: f64 = 4.0;
/// A file that nothing points to, without coverage.
const UNKNOWN: f64 = 0.01;

/// All places, most suspicious first; the order depends on nothing but the clues.
pub fn places(clues: &Clues<'_>) -> Vec<Place> {
    let spectra = clues.coverage.map(|coverage| Spectra::new(coverage, clues.red));
    let mut out = Vec::new();
    for (path, lines) in &clues.files {
        let base = match &spectra {
            Some(spectra) => spectra.file(path, *lines),
            None => by_distance(path, *lines, clues.suspects),
        };
        for (at, score) in base.into_iter().enumerate() {
            let line = at + 1;
            let score = score * boost(path, line, clues, spectra.is_some());
            out.push(Place { path: (*path).to_owned(), line, score });
        }
    }
    out.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.path.cmp(&b.path)).then_with(|| a.line.cmp(&b.line)));
    out
}

/// What stack traces and the change add to a line. A trace's last frame is where it hurts, which is often not where it
/// is wrong: it doubles a score at most.
fn boost(path: &str, line: usize, clues: &Clues<'_>, covered: bool) -> f64 {
    let mut factor = 1.0;
    if covered {
        let hit = |s: &&Suspect| s.file == path && (s.line..=s.end_line.max(s.line)).contains(&line);
        let narrow = |s: &Suspect| if s.end_line.saturating_sub(s.line) <= 2 { 1.0 } else { 0.25 };
        let most = clues.suspects.iter().filter(hit).map(|s| s.score.clamp(0.0, 1.0) * narrow(s)).fold(0.0, f64::max);
        factor += most;
    }
    if clues.changed.get(path).is_some_and(|lines| lines.contains(&line)) {
        factor *= 3.0;
    }
    factor
}

fn by_distance(path: &str, lines: usize, suspects: &[Suspect]) -> Vec<f64> {
    let own: Vec<&Suspect> = suspects.iter().filter(|s| s.file == path).collect();
    let floor = if own.is_empty() { UNKNOWN } else { UNKNOWN * 3.0 };
    let score = |line: usize| {
        let one = |s: &&Suspect| {
            let away = if line < s.line { s.line - line } else { line.saturating_sub(s.end_line.max(s.line)) };
            // a whole function is a weaker hint than one line in it
            let width = (s.end_line.saturating_sub(s.line) + 1) as f64;
            s.score.clamp(0.01, 1.0) * 0.5_f64.powf(away as f64 / HALVING_LINES) / width.sqrt().min(4.0)
        };
        own.iter().map(one).fold(floor, f64::max)
    };
    (1..=lines).map(score).collect()
}

struct Spectra<'a> {
    coverage: &'a Coverage,
    red: BTreeSet<usize>,
}

impl<'a> Spectra<'a> {
    fn new(coverage: &'a Coverage, red: &[usize]) -> Self {
        Self { coverage, red: red.iter().copied().collect() }
    }

    fn file(&self, path: &str, lines: usize) -> Vec<f64> {
        let Some(traceable) = self.coverage.traceable.get(path) else {
            // not loaded by any test
            return vec![NEVER_EXECUTED; lines];
        };
        let mut hits: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        let (mut reds, mut touched) = (0, false);
        for (test, files) in &self.coverage.by_test {
            let is_red = self.red.contains(test);
            reds += usize::from(is_red);
            let Some(executed) = files.get(path) else { continue };
            touched |= is_red && !executed.is_empty();
            for line in executed {
                let hit = hits.entry(*line).or_default();
                if is_red { hit.0 += 1 } else { hit.1 += 1 }
            }
        }
        let mut scores = Vec::with_capacity(lines);
        let mut last = None;
        for line in 1..=lines {
            let score = if traceable.contains(&line) {
                let (red, green) = hits.get(&line).copied().unwrap_or_default();
                let score =
                    if red == 0 { NEVER_EXECUTED } else { EXECUTED + (1.0 - EXECUTED) * ochiai(red, reds, green) };
                last = Some(score);
                score
            } else {
                // the rest of a statement that began above, an `else:`, or code outside of functions
                last.filter(|s| *s > NEVER_EXECUTED).map_or(if touched { OUTSIDE } else { NEVER_EXECUTED }, |s| s * 0.8)
            };
            scores.push(score);
        }
        scores
    }
}

/// Ochiai's coefficient: how alike "executes the line" and "is red" are.
fn ochiai(red: usize, reds: usize, green: usize) -> f64 {
    if red == 0 || reds == 0 {
        return 0.0;
    }
    red as f64 / ((reds as f64) * (red + green) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coverage(rows: &[(usize, &[usize])], traceable: &[usize]) -> Coverage {
        let by_test = rows
            .iter()
            .map(|(test, lines)| (*test, BTreeMap::from([("a.py".to_owned(), lines.iter().copied().collect())])))
            .collect();
        Coverage { by_test, traceable: BTreeMap::from([("a.py".to_owned(), traceable.iter().copied().collect())]) }
    }

    fn order(places: &[Place]) -> Vec<usize> {
        places.iter().map(|p| p.line).collect()
    }

    #[test]
    fn lines_that_only_red_tests_execute_come_first_and_unexecuted_ones_last() {
        let coverage = coverage(&[(0, &[2, 3, 4]), (1, &[2, 3]), (2, &[2])], &[2, 3, 4, 5]);
        let clues = Clues { files: vec![("a.py", 5)], coverage: Some(&coverage), red: &[0], ..Clues::default() };
        let found = places(&clues);
        assert_eq!(order(&found), [4, 3, 2, 1, 5]);
        assert!(found[4].score < 0.01 && found[0].score > 0.9);
    }

    #[test]
    fn a_stack_trace_moves_its_line_up_among_equals() {
        let coverage = coverage(&[(0, &[1, 2, 3])], &[1, 2, 3]);
        let suspect =
            Suspect { file: "a.py".into(), line: 3, end_line: 3, symbol: None, score: 1.0, reason: String::new() };
        let clues = Clues {
            files: vec![("a.py", 3)],
            coverage: Some(&coverage),
            red: &[0],
            suspects: std::slice::from_ref(&suspect),
            ..Clues::default()
        };
        assert_eq!(order(&places(&clues)), [3, 1, 2]);
    }

    #[test]
    fn without_coverage_the_score_decays_with_the_distance_from_suspects() {
        let suspect =
            Suspect { file: "a.py".into(), line: 10, end_line: 10, symbol: None, score: 1.0, reason: String::new() };
        let clues = Clues {
            files: vec![("a.py", 20), ("b.py", 1)],
            suspects: std::slice::from_ref(&suspect),
            ..Clues::default()
        };
        let found = places(&clues);
        assert_eq!(order(&found)[..3], [10, 9, 11]);
        assert_eq!(found.last().map(|p| p.path.as_str()), Some("b.py"));
    }

    #[test]
    fn lines_changed_since_the_green_commit_are_three_times_as_suspicious() {
        let coverage = coverage(&[(0, &[1, 2])], &[1, 2]);
        let clues = Clues {
            files: vec![("a.py", 2)],
            coverage: Some(&coverage),
            red: &[0],
            changed: BTreeMap::from([("a.py".to_owned(), BTreeSet::from([2]))]),
            ..Clues::default()
        };
        let found = places(&clues);
        assert_eq!(order(&found), [2, 1]);
        assert!((found[0].score / found[1].score - 3.0).abs() < 1e-9);
    }
}

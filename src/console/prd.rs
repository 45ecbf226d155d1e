//! A PRD run on the terminal: what passes and how the scores went, where it fails and why, what was rewritten, what a person has to
//! answer.

use super::diff;
use super::style::Style;
use crate::model::Money;
use crate::prd::finding::{Dimension, Finding, Severity};
use crate::prd::outcome::End;
use crate::prd::outcome::SectionInfo;
use crate::prd::{Lint, history};
use crate::report::escape::one_line;
use crate::report::numbers::seconds;
use crate::report::prd::Review;

/// Lines of the diff that are shown.
const DIFF_LINES: usize = 200;
/// Places that are shown of what fails.
const PLACES: usize = 3;

/// What is shown.
#[derive(Debug, Clone, Copy)]
pub struct Page<'p> {
    /// What models said and did.
    pub review: &'p Review,
    /// The lint of the text as it is at the end, written or not.
    pub lint: &'p Lint,
    /// What its lines are called.
    pub lines: &'p str,
    /// From here on a score passes.
    pub threshold: f64,
    /// What was done with the revised text, or can be.
    pub then: &'p str,
}

impl Page<'_> {
    /// The whole output for the document that people know as `name`.
    pub fn render(&self, name: &str, style: Style) -> String {
        let review = self.review;
        let good = review.end == End::Passed;
        let headline = if good { style.good("passes") } else { style.bad("does not pass") };
        let mut out = format!("{headline} {} · {}\n", style.cyan(&one_line(name, 80)), review.end.words());
        let passed = review.history.last().map(|row| row.passed);
        for (dimension, bars, first, last) in history::lines(&review.history) {
            let ok = passed.is_some_and(|p| p.of(dimension));
            let mark = if ok { style.green("✓") } else { style.red("✗") };
            let way = if review.history.len() > 1 { format!("{first:.2} → {last:.2}") } else { format!("{last:.2}") };
            let needed = if ok { String::new() } else { format!(" of {:.2}", self.threshold) };
            out.push_str(&format!("  {mark} {:<12} {bars}  {way}{needed}\n", dimension.name()));
            if !ok {
                self.places(dimension).for_each(|place| out.push_str(&format!("      {place}\n")));
            }
        }
        if passed.is_some_and(|p| !p.no_errors) {
            out.push_str(&format!("  {} the lint has errors: kaizen-ci prd --lint-only\n", style.red("✗")));
            let errors = self.lint.findings.iter().filter(|f| f.severity == Severity::Error).take(PLACES);
            errors.for_each(|f| out.push_str(&format!("      {}: {}\n", self.found(f), one_line(&f.message, 160))));
        }
        out.push_str(&rest(review, self.then, style));
        out
    }

    /// The sections that are worst in `dimension`: score, what the lint says, what a reviewer says.
    fn places(&self, dimension: Dimension) -> impl Iterator<Item = String> {
        let score = move |section: &SectionInfo| section.scores.of(dimension);
        let read = self.review.sections.iter().enumerate().filter(|(_, s)| s.reviewed.is_some());
        let mut low: Vec<_> = read.filter(|(_, s)| score(s) < self.threshold).collect();
        low.sort_by(|(_, a), (_, b)| score(a).total_cmp(&score(b)));
        let place = move |(at, section): (usize, &SectionInfo)| {
            let title = if section.title.is_empty() { "before the first heading" } else { &section.title };
            let of_section = |f: &&Finding| f.section_index == at && f.dimension == dimension;
            let worst =
                self.lint.findings.iter().filter(of_section).max_by_key(|f| (f.severity, std::cmp::Reverse(f.line)));
            let mut problems = section.reviewed.iter().flat_map(|r| &r.problems);
            let said = problems.find(|p| p.dimension == dimension);
            let said = said.map(|p| format!("reviewer “{}”: {}", one_line(&p.quote, 60), one_line(&p.why, 120)));
            let parts: Vec<String> = worst.map(|f| self.found(f)).into_iter().chain(said).collect();
            format!("{} {:.2}  {}", one_line(title, 40), score(section), parts.join(" · ")).trim_end().to_owned()
        };
        low.into_iter().take(PLACES).map(place)
    }

    fn found(&self, finding: &Finding) -> String {
        format!("{} {}, {} “{}”", self.lines, finding.line, finding.rule, one_line(&finding.quote, 60))
    }
}

/// What stands below the scores.
fn rest(review: &Review, then: &str, style: Style) -> String {
    let mut out = String::new();
    if review.changed {
        out.push_str(&diff::render(&review.diff, style, DIFF_LINES));
    }
    for question in review.questions.iter().take(20) {
        out.push_str(&format!("  {}    {}\n", style.yellow("question"), one_line(question, 240)));
    }
    for section in review.sections.iter().filter(|s| s.left_because.is_some()) {
        let why = one_line(section.left_because.as_deref().unwrap_or_default(), 200);
        out.push_str(&format!("  left        {}: {why}\n", one_line(&section.title, 60)));
    }
    for one in review.staff.iter().filter(|s| s.trouble.is_some()) {
        let trouble = one_line(one.trouble.as_deref().unwrap_or_default(), 80);
        out.push_str(&format!("  {:<11} {} {}\n", one.who, one_line(&one.model, 60), style.yellow(&trouble)));
    }
    let tokens: u64 = review.staff.iter().map(|s| s.tokens).sum();
    let money = Money(review.staff.iter().map(|s| s.nano_dollars).sum());
    let replayed = match review.replayed {
        0 => String::new(),
        n => format!(", {n} turns from the earlier run"),
    };
    out.push_str(&format!("  {}\n", style.dim(&format!("{tokens} tokens, {money}, {}{replayed}", seconds(review.ms)))));
    if !then.is_empty() {
        out.push_str(&format!("  {then}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prd::gate::Passed;
    use crate::prd::history::Row;
    use crate::prd::review::{Problem, Reviewed, Three};

    #[test]
    fn what_fails_says_where_and_why_and_what_passes_does_not() {
        let text =
            "# Shop\n\n## Requirements\n\n- REQ-1: The shop shall be fast, see REQ-9.\n\n## Goals\n\nIt saves time.\n";
        let lint = crate::prd::lint(text, &|_| true);
        let section = |title: &str, clarity: f64, why: &str| SectionInfo {
            title: title.into(),
            scores: Three { clarity, completeness: 0.9, testability: 0.1 },
            reviewed: Some(Reviewed {
                problems: vec![Problem { dimension: Dimension::Clarity, quote: "be fast".into(), why: why.into() }],
                ..Reviewed::default()
            }),
            revisions: 0,
            left_because: None,
        };
        let heading = SectionInfo { reviewed: None, ..section("", 0.0, "") };
        let passed = Passed { clarity: false, completeness: true, testability: true, no_errors: false };
        let scores = Three { clarity: 0.4, completeness: 0.9, testability: 0.9 };
        let review = Review {
            sections: vec![
                heading.clone(),
                heading,
                section("Requirements", 0.35, "how fast?"),
                section("Goals", 0.6, "whose?\n  > "),
                section("Fine", 0.95, "no"),
            ],
            history: vec![Row { round: 0, scores, passed, rewritten: 0, findings: 2 }],
            ms: 1200,
            ..Review::empty(End::RoundCap)
        };
        let page = Page { review: &review, lint: &lint, lines: "line", threshold: 0.8, then: "" };
        let said = page.render("prd.md", Style::plain());
        let below = |wanted: &str| -> Vec<&str> {
            let after = said.lines().skip_while(|line| !line.contains(wanted)).skip(1);
            after.take_while(|line| line.starts_with("      ")).map(str::trim).collect()
        };
        assert_eq!(
            below("clarity"),
            [
                "Requirements 0.35  line 5, vague-word “fast” · reviewer “be fast”: how fast?",
                "Goals 0.60  reviewer “be fast”: whose? >"
            ]
        );
        assert_eq!((below("completeness"), below("testability")), (vec![], vec![]), "{said}");
        let error = "line 5, dangling-reference “REQ-9”: `REQ-9` is defined nowhere";
        assert!(below("the lint has errors").contains(&error), "{said}");
        let revised = Page { lines: "line of the revised text", ..page }.render("prd.md", Style::plain());
        assert!(revised.contains("line of the revised text 5, vague-word"), "{revised}");
    }
}

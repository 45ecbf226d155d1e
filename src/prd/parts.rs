//! What a section of a PRD is for, told from its heading.

/// What a section is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Why the product is built: problem, goals, background.
    Goal,
    /// What it has to do.
    Requirements,
    /// How one sees that it does it.
    Acceptance,
    /// What is left out on purpose.
    OutOfScope,
    /// What is not decided yet, and said to be so.
    Open,
    /// What words mean.
    Glossary,
    /// What was read, who changed what.
    References,
    /// Anything else.
    Other,
}

/// Words of a heading, in lower case, that tell the part; the first that fits counts, so the special come first.
const WORDS: &[(Part, &[&str])] = &[
    (Part::OutOfScope, &["out of scope", "non-goal", "non goal", "not in scope", "exclusions", "won't have"]),
    (
        Part::Open,
        &["open question", "open issue", "open point", "unresolved", "questions", "to be decided", "decisions pending"],
    ),
    (Part::Acceptance, &["acceptance", "verification", "test plan", "definition of done", "traceability"]),
    (Part::Glossary, &["glossary", "definitions", "terminology", "abbreviation", "acronym", "terms"]),
    (
        Part::References,
        &[
            "references",
            "changelog",
            "change log",
            "revision history",
            "appendix",
            "further reading",
            "document history",
        ],
    ),
    (
        Part::Requirements,
        &[
            "requirement",
            "functional",
            "specification",
            "constraints",
            "features",
            "user stories",
            "behaviour",
            "behavior",
        ],
    ),
    (
        Part::Goal,
        &[
            "goal",
            "objective",
            "problem",
            "background",
            "overview",
            "introduction",
            "motivation",
            "summary",
            "purpose",
            "context",
            "vision",
            "why",
            "success metric",
        ],
    ),
];

impl Part {
    /// Parts in which no sentence is a requirement.
    pub const NO_REQUIREMENTS: [Part; 6] =
        [Part::Goal, Part::Acceptance, Part::OutOfScope, Part::Open, Part::Glossary, Part::References];

    /// The part that a heading with these words begins.
    pub fn of(title: &str) -> Self {
        let title = title.to_lowercase();
        let holds = |words: &[&str]| words.iter().any(|word| title.contains(word));
        WORDS.iter().find(|(_, words)| holds(words)).map_or(Part::Other, |(part, _)| *part)
    }

    /// What ids with the prefix of `id` are for: `AC-3` is a criterion.
    pub fn of_prefix(id: &str) -> Self {
        let number = |c: char| c.is_ascii_digit() || c == '.' || c.is_ascii_lowercase();
        match id.split(['-', '_']).next().unwrap_or_default().trim_end_matches(number) {
            "AC" | "TC" | "TEST" => Part::Acceptance,
            "G" | "GOAL" | "OBJ" => Part::Goal,
            "Q" | "OQ" => Part::Open,
            _ => Part::Requirements,
        }
    }
}

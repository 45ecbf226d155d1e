//! Question frames: the many ways in which people ask for a way, a permission, a price, a time.

use std::sync::LazyLock;

use regex::Regex;

/// A question after the wish: `I'd like to end it, how do I do that?`
const TAILS: &str = r"(?i)[,.;] (?:so )?(?:how|what) (?:do|does|should|can|could|would|must) (?:i|we|you|that|this|it|one)(?: (?:do|work|go about|need to do|have to do))?(?: (?:that|this|it|so))?\W*$";

/// What a question asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Question {
    /// A way to do something, or a request to do it.
    Way,
    /// Yes or no.
    Whether,
    /// A reason.
    Why,
    /// A point in time.
    When,
    /// A length of time.
    HowLong,
    /// A price.
    Price,
    /// An amount.
    HowMany,
    /// A place.
    Where,
    /// A person or another who.
    Who,
    /// A thing.
    What,
    /// How often, how far, how old: the word counts.
    Degree,
    /// No question: an order or a statement.
    Statement,
}

/// Courtesies and fillers that carry nothing, wherever they stand.
const FILLERS: &str = r"(?i)\b(?:hi there|hello there|hi team|hi|hello|hey|dear \w+|good (?:morning|afternoon|evening)|please|pls|kindly|cheers|many thanks|thanks a lot|thanks in advance|thank you|thanks|quick question|silly question|just wondering|i was wondering(?: if)?|i wonder(?: if)?|sorry to bother you|sorry|excuse me|um+|uh+|er+m?|okay so|ok so|so like|basically|actually|um so|so um|you know|out of interest|if you don't mind|any idea|do you know|can you tell me|could you tell me|can you explain|could you explain|tell me|let me know|i'd like to know|i want to know)\b";

/// The first that fits wins and is cut out of the text. In order: what is more particular stands first.
const FRAMES: &[(&str, Question)] = &[
    (
        r"\b(?:how much (?:does|do|did|will|would|is|are|was|were|should|must)(?: it)?(?: (?:i|we))?(?: cost| pay)?(?: to\b)?|what(?:'?s| is| are| does| do| will| would)? the (?:price|cost|charge) (?:of|for)|what does it cost to|how expensive (?:is|are))\b",
        Question::Price,
    ),
    (
        r"\bhow many (?:days|weeks|hours|minutes|months) (?:does|do|will|would)\b|\bhow long (?:does|do|did|will|would|should|must|can|is|are|has|have)?(?: it take(?: for| to)?)?\b|\bwhat(?:'?s| is) the (?:duration|length) of\b",
        Question::HowLong,
    ),
    (
        r"\bhow many\b|\bhow much\b|\bwhat (?:number|amount|quantity) of\b|\bwhat(?:'?s| is) the (?:number|amount) of\b",
        Question::HowMany,
    ),
    (
        r"\bhow (?:often|far|old|big|large|small|fast|quickly|soon|early|late|high|low|deep|heavy|likely|strict|safe|hot|tall|wide)\b",
        Question::Degree,
    ),
    (
        r"\bhow come\b|\bfor what reason\b|\bwhat (?:makes|made)\b|\bwhat(?:'?s| is) (?:the reason|causing|making)\b(?: for| that| why)?|\bwhat(?:'?s| is) the (?:reason|cause) (?:of|for|behind)\b|\bwhat causes\b|\bwhy\b",
        Question::Why,
    ),
    (
        r"\b(?:what time|when|by when|on what (?:day|date)|what(?:'?s| is) the date of)\b(?: (?:do|does|did|will|is|are|can) )?",
        Question::When,
    ),
    (
        r"\bwhere (?:can|do|could|would|should) (?:i|we|you) find\b|\bwhere\b|\bin (?:what|which) (?:place|file|folder|directory)\b",
        Question::Where,
    ),
    (
        r"\bwhat(?:'?s| is) (?:the )?(?:process|procedure|steps?|way) (?:for|of|to)\b|\bwhat(?:'s| are| is) the (?:steps|ways?) (?:to|for)\b|\bwhat do (?:i|we) (?:need|have) to do (?:to|for|in order to)\b|\bwhat should (?:i|we) do to\b|\bis there (?:a|any) way (?:to|of|for me to)\b|\bwhat steps (?:do|should|must) (?:i|we) (?:take|follow) to\b|\bhow (?:do|can|could|should|would|might|to|must|does|did|am|are)\b(?: (?:i|we|you|one|someone|it|that))?(?: (?:go about|be able to))?|\bi(?:'d| would) like to\b|\bi (?:want|need) to\b|\bi'm trying to\b|\bhow\b",
        Question::Way,
    ),
    (r"\bwho(?:'s|m|se)?\b", Question::Who),
    (r"^\W*(?:calculate|compute|work out|list|show me|give me|name)\b", Question::What),
    (r"\bwhat(?:'?s|'re)?\b|\bwhich\b", Question::What),
    (
        r"^\W*(?:(?:on|in|at|for|to|with|from) [^,?]{1,60}, )?(?P<q>is it (?:possible|ok|okay|fine|alright|permitted|allowed)(?: for (?:me|us))? to|am i (?:allowed|able|permitted) to|are we (?:allowed|able|permitted) to|is there|are there|is|are|was|were|am|do|does|did|can|could|may|might|should|shall|must|will|would|has|have|had)\b",
        Question::Whether,
    ),
];

struct Patterns {
    fillers: Regex,
    tails: Regex,
    frames: Vec<(Regex, Question)>,
}

static PATTERNS: LazyLock<Option<Patterns>> = LazyLock::new(|| {
    let frames = FRAMES
        .iter()
        .map(|(text, q)| Some((Regex::new(&format!("(?i){text}")).ok()?, *q)))
        .collect::<Option<Vec<_>>>()?;
    Some(Patterns { fillers: Regex::new(FILLERS).ok()?, tails: Regex::new(TAILS).ok()?, frames })
});

/// What `text` asks for, and the text without the frame. A frame that failed to compile refuses nothing and
/// explains nothing: the words of the question stay.
pub(super) fn split(text: &str) -> (Question, String) {
    let Some(patterns) = PATTERNS.as_ref() else { return (Question::Statement, text.to_owned()) };
    let text = patterns.fillers.replace_all(text, " ");
    let text = patterns.tails.replace(&text, " ");
    let first = patterns
        .frames
        .iter()
        .enumerate()
        .filter_map(|(n, (pattern, question))| {
            let groups = pattern.captures(&text)?;
            let found = groups.name("q").or_else(|| groups.get(0))?;
            Some((found.start(), n, found.range(), *question))
        })
        .min_by_key(|(start, n, ..)| (*start, *n));
    match first {
        None => (Question::Statement, text.into_owned()),
        Some((_, _, range, question)) => {
            // how OFTEN, how FAR: the word is part of what is asked
            let degree = if question == Question::Degree { &text[range.start + 3..range.end] } else { "" };
            (question, format!("{} {degree} {}", &text[..range.start], &text[range.end..]))
        }
    }
}

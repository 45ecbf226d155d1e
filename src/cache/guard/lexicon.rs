//! Words and what they can stand for: base forms, synonyms from WordNet, words that say nothing, words that deny.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// Groups of everyday synonyms out of WordNet 3.1, made by `scripts/wordnet_synonyms.py`.
const WORDNET: &str = include_str!("../data/synonyms.txt");
/// What WordNet does not know or keeps apart: the language of software, and everyday pairs of general use.
const OWN: &str = include_str!("../data/groups.txt");

static GROUPS: LazyLock<HashMap<&'static str, Vec<u32>>> = LazyLock::new(|| {
    let mut groups: HashMap<&str, Vec<u32>> = HashMap::new();
    let lines = OWN.lines().chain(WORDNET.lines()).filter(|line| !line.starts_with('#'));
    for (n, line) in lines.enumerate() {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        line.split_whitespace().for_each(|word| groups.entry(word).or_default().push(n));
    }
    // words are looked up in their base form: `shipping` comes as `ship`
    let own = OWN.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace);
    for word in own {
        let based = cut_to(word, &|w| groups.contains_key(w))
            .and_then(|base| groups.get_key_value(base.as_str()).map(|e| *e.0));
        if let (Some(based), Some(of)) = (based, groups.get(word).cloned()) {
            groups.entry(based).or_default().extend(of);
        }
    }
    groups
});

/// The words of the embedder's vocabulary: whole word pieces are common words.
static VOCABULARY: LazyLock<HashSet<String>> = LazyLock::new(|| {
    #[derive(serde::Deserialize)]
    struct Tokenizer {
        model: Model,
    }
    #[derive(serde::Deserialize)]
    struct Model {
        vocab: HashMap<String, u32>,
    }
    let read = serde_json::from_slice::<Tokenizer>(crate::cache::embed::TOKENIZER);
    read.map_or_else(|_| HashSet::new(), |t| t.model.vocab.into_keys().filter(|w| !w.starts_with("##")).collect())
});

/// Can `a` and `b` mean the same?
pub(super) fn synonyms(a: &str, b: &str) -> bool {
    if OPPOSITES.iter().any(|pair| *pair == [a, b] || *pair == [b, a]) {
        return false;
    }
    match (GROUPS.get(a), GROUPS.get(b)) {
        (Some(x), Some(y)) => x.iter().any(|group| y.contains(group)),
        _ => false,
    }
}

/// WordNet puts these into one group in some sense, people mean opposites or degrees of one thing.
const OPPOSITES: [[&str; 2]; 14] = [
    ["first", "last"],
    ["first", "start"],
    ["latest", "last"],
    ["before", "earlier"],
    ["rent", "let"],
    ["lease", "rent"],
    ["let", "lease"],
    ["some", "any"],
    ["all", "any"],
    ["borrow", "lend"],
    ["warn", "fail"],
    ["error", "warning"],
    ["more", "most"],
    ["less", "least"],
];

/// Short forms in capitals that are everyday words all the same: ATM, GP.
pub(super) fn is_common_acronym(word: &str) -> bool {
    OWN.lines().any(|line| !line.starts_with('#') && line.split_whitespace().any(|w| w == word))
}

/// Is it a word that people write, in any form?
pub(super) fn known(word: &str) -> bool {
    let has = |w: &str| VOCABULARY.contains(w) || GROUPS.contains_key(w);
    has(word)
        || !word.ends_with("ss")
            && ["s", "es", "ed", "ing", "d", "ly"]
                .iter()
                .any(|end| word.strip_suffix(end).is_some_and(|w| w.len() > 2 && has(w)))
}

const IRREGULAR: [(&str, &str); 48] = [
    ("went", "go"),
    ("gone", "go"),
    ("made", "make"),
    ("took", "take"),
    ("taken", "take"),
    ("gave", "give"),
    ("given", "give"),
    ("got", "get"),
    ("gotten", "get"),
    ("sent", "send"),
    ("paid", "pay"),
    ("said", "say"),
    ("told", "tell"),
    ("found", "find"),
    ("left", "leave"),
    ("kept", "keep"),
    ("lost", "lose"),
    ("won", "win"),
    ("wrote", "write"),
    ("written", "write"),
    ("broke", "break"),
    ("broken", "break"),
    ("began", "begin"),
    ("begun", "begin"),
    ("ran", "run"),
    ("threw", "throw"),
    ("thrown", "throw"),
    ("caught", "catch"),
    ("built", "build"),
    ("bought", "buy"),
    ("sold", "sell"),
    ("chose", "choose"),
    ("chosen", "choose"),
    ("came", "come"),
    ("became", "become"),
    ("saw", "see"),
    ("seen", "see"),
    ("knew", "know"),
    ("known", "know"),
    ("meant", "mean"),
    ("held", "hold"),
    ("hung", "hang"),
    ("children", "child"),
    ("people", "person"),
    ("men", "man"),
    ("women", "woman"),
    ("indices", "index"),
    ("vertices", "vertex"),
];

/// The base form: plural and verb endings off, where what remains is a word.
pub(super) fn base(word: &str) -> String {
    if let Some((_, base)) = IRREGULAR.iter().find(|(form, _)| *form == word) {
        return (*base).to_owned();
    }
    if word.len() < 4 || word.ends_with("ss") {
        return word.to_owned();
    }
    // WordNet's words first: the vocabulary holds surnames too, and `cooking` is no form of `Cooke`
    let found = cut_to(word, &|w| GROUPS.contains_key(w)).or_else(|| cut_to(word, &|w| VOCABULARY.contains(w)));
    found.unwrap_or_else(|| word.to_owned())
}

fn cut_to(word: &str, has: &dyn Fn(&str) -> bool) -> Option<String> {
    let cut =
        |end: &str, add: &str| word.strip_suffix(end).map(|w| format!("{w}{add}")).filter(|w| w.len() > 2 && has(w));
    let undoubled = |end: &str| {
        let w = word.strip_suffix(end)?;
        let last = w.chars().last()?;
        w.strip_suffix(last).filter(|short| short.ends_with(last) && has(short)).map(str::to_owned)
    };
    cut("ies", "y")
        .or_else(|| cut("s", ""))
        .or_else(|| cut("es", ""))
        .or_else(|| cut("ied", "y"))
        .or_else(|| cut("ed", ""))
        .or_else(|| cut("ed", "e"))
        .or_else(|| cut("ing", ""))
        .or_else(|| cut("ing", "e"))
        .or_else(|| undoubled("ed"))
        .or_else(|| undoubled("ing"))
}

/// Words that turn a sentence round. Prefixes (`un-`, `dis-`) make another word, which the guard refuses by itself.
pub(super) fn denies(word: &str) -> bool {
    const DENIALS: &str = "not no never none nothing nobody nowhere neither nor without non except unless hardly barely stop stopped \
                           stops stopping avoid avoids avoiding prevent prevents preventing lack lacks lacking";
    DENIALS.split_whitespace().any(|d| d == word)
}

/// Words of grammar. Left out on purpose: quantities (all, any, only), comparison, order, direction, other people.
pub(super) fn is_stop(word: &str) -> bool {
    const STOPS: &str = "a an the this that these those it its there here i me my mine we us our ours you your yours myself be am is \
                         are was were been being do does did done doing have has had having can could may might must shall should \
                         will would ought need needs to and as if but so then also too s t d m re ve ll 'll which what who whose whom when where why \
                         how able allowed possible ok okay permitted it's i'm i'd i've";
    STOPS.split_whitespace().any(|s| s == word)
}

/// May stand on one side only: stresses and courtesies.
pub(super) fn says_nothing(word: &str) -> bool {
    const EMPTY: &str = "just really simply exactly actually quite very like somehow please help want wish try go going get way \
                         available exist offer provide make submit currently please kind thing know tell show explain wonder \
                         question hello hi hey thanks team friend specifically";
    EMPTY.split_whitespace().any(|e| e == word)
}

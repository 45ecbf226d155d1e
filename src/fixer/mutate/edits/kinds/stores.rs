//! Statements that store under a key, that mark, and that undo a step: `visited[x] = true`, `cache.put(k, v)`, `path.pop()`.
//! Holders and keys are those that the same function asks or fills, so that few statements come, each for a reason.

use std::collections::BTreeSet;

use tree_sitter::Node;

use super::super::languages::{OperatorClass, Role, shape};
use super::Bench;
use super::borrowed::word_set;
use crate::syntax::functions::each_node;
use crate::syntax::language::Language;

/// So many pairs of holder and key are tried at one place.
const MOST_ASKED: usize = 6;
/// Longer holders and keys are no plain look-up.
const MOST_BYTES: usize = 40;
/// What a function looks up and never stores is most likely missing.
const NEVER_STORED: f64 = 0.9;
/// What it stores elsewhere may be missing here.
const STORED_ELSEWHERE: f64 = 0.4;
/// Most things with keys are only read.
const ONLY_READ: f64 = 0.15;
/// After a call of the function itself what it filled before the call is emptied again.
const AFTER_RECURSION: f64 = 0.9;
/// Elsewhere in such a function a step is seldom undone, and in another one hardly ever.
const UNDONE_ELSEWHERE: f64 = 0.25;
const UNDONE_IN_PLAIN: f64 = 0.1;

/// How something is put into a holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// `holder[key] = value`
    Element,
    /// `holder.put(key, value)`
    Map,
    /// `holder.add(key)`
    Set,
    /// `holder.append(key)`
    List,
}

/// A holder that is asked for a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Asked {
    holder: String,
    key: String,
    way: Way,
    /// The answer is taken for true or false.
    is_question: bool,
    /// Is it asked whether the key is there? A plain look-up tells little of what is stored.
    is_looked_for: bool,
    /// Names that both are made of.
    names: BTreeSet<String>,
}

/// Something that is put into a holder.
#[derive(Debug, Clone)]
struct Stored {
    holder: String,
    /// What comes in: an element, or a key.
    what: String,
    /// What it becomes under a key.
    value: Option<String>,
    way: Way,
    at: usize,
}

/// What a function asks of things with keys, what it puts into them and what it takes out.
#[derive(Debug, Default)]
pub(super) struct Stores {
    asked: Vec<Asked>,
    stored: Vec<Stored>,
    taken: BTreeSet<String>,
    /// Names by which the function is called.
    own_names: Vec<String>,
    /// Does it call itself?
    is_recursive: bool,
}

impl Stores {
    pub(super) fn of(bench: &Bench<'_>, function: Node<'_>) -> Self {
        let mut stores = Self { own_names: names_of(bench, function), ..Self::default() };
        each_node(function, &mut |node| {
            let called = bench.view.called(node);
            stores.is_recursive = stores.is_recursive || stores.own_names.iter().any(|name| name == called);
            if let Some(stored) = stored(bench, node) {
                stores.stored.push(stored);
            } else if let Some(holder) = taken(bench, node) {
                stores.taken.insert(holder);
            } else if let Some(asked) = asked(bench, node)
                && !stores.asked.iter().any(|known| known.holder == asked.holder && known.key == asked.key)
            {
                stores.asked.push(asked);
            }
        });
        stores
    }

    fn is_stored(&self, holder: &str) -> bool {
        self.stored.iter().any(|stored| stored.holder == holder)
    }
}

/// The function's name, or that of the variable that holds it.
fn names_of(bench: &Bench<'_>, function: Node<'_>) -> Vec<String> {
    if let Some(name) = function.child_by_field_name("name") {
        return vec![bench.view.of(name).to_owned()];
    }
    let above = std::iter::successors(function.parent(), Node::parent).take(2);
    let held = above.filter_map(|at| bench.view.assignment(at)).map(|(left, _)| bench.view.of(left).to_owned());
    held.collect()
}

fn is_plain(bench: &Bench<'_>, node: Node<'_>) -> bool {
    let text = bench.view.of(node);
    matches!(bench.view.role(node), Role::Ident | Role::Member | Role::Index)
        && text.len() <= MOST_BYTES
        && !text.contains(['(', '\n'])
        // constants are not filled
        && text.contains(|c: char| c.is_lowercase())
}

/// Is the node what an assignment sets? What it is set to.
fn assigned<'t>(bench: &Bench<'_>, node: Node<'t>) -> Option<Node<'t>> {
    let parent = node.parent()?;
    let at = if parent.kind() == "expression_list" { parent.parent()? } else { parent };
    let (left, right) = bench.view.assignment(at)?;
    (left.id() == node.id() && matches!(bench.view.role(at), Role::Assign | Role::AugAssign)).then_some(right)
}

fn stored(bench: &Bench<'_>, node: Node<'_>) -> Option<Stored> {
    let text = |node: Node<'_>| bench.view.of(node).to_owned();
    match bench.view.role(node) {
        Role::Index => {
            let (object, index) = bench.view.index(node)?;
            let value = assigned(bench, node)?;
            let (holder, what, value) = (text(object), text(index), Some(text(value)));
            Some(Stored { holder, what, value, way: Way::Element, at: node.start_byte() })
        }
        // Go: `path = append(path, x)`
        Role::Call if bench.view.language == Language::Go && bench.view.called(node) == "append" => {
            let [list, element] = bench.view.arguments(node)[..] else { return None };
            let is_plain = is_plain(bench, list) && bench.view.role(element) != Role::Spread;
            is_plain.then(|| Stored {
                holder: text(list),
                what: text(element),
                value: None,
                way: Way::List,
                at: node.start_byte(),
            })
        }
        Role::Call => {
            let holder = bench.view.call(node)?.receiver.filter(|receiver| is_plain(bench, *receiver))?;
            let arguments = bench.view.arguments(node);
            let called = bench.view.called(node);
            let (what, value, way) = match (called, &arguments[..]) {
                ("append" | "push" | "push_back" | "addLast" | "appendleft", [one]) => (*one, None, Way::List),
                ("add" | "insert", [one]) => (*one, None, way_of_add(bench, text(holder).as_str())),
                ("put" | "set" | "insert", [key, value]) => (*key, Some(text(*value)), Way::Map),
                _ => return None,
            };
            Some(Stored { holder: text(holder), what: text(what), value, way, at: node.start_byte() })
        }
        _ => None,
    }
}

/// Java's lists and sets are filled by the same name.
fn way_of_add(bench: &Bench<'_>, holder: &str) -> Way {
    let is_list = bench.view.language == Language::Java && !begins(bench, holder, &["new HashSet", "new TreeSet"]);
    if is_list { Way::List } else { Way::Set }
}

/// What holds something that is taken out.
fn taken(bench: &Bench<'_>, node: Node<'_>) -> Option<String> {
    if bench.view.role(node) == Role::Slice {
        // Go: `path = path[:len(path)-1]`
        let value = bench.view.field(node, &["operand"])?;
        return Some(bench.view.of(value).to_owned());
    }
    let receiver = bench.view.call(node)?.receiver?;
    let takes = matches!(
        bench.view.called(node),
        "pop" | "popleft" | "remove" | "removeLast" | "pollLast" | "delete" | "discard" | "setLength" | "truncate"
    ) || matches!(bench.view.called(node), "deleteCharAt" | "pop_back" | "poll" | "shift" | "clear");
    takes.then(|| bench.view.of(receiver).to_owned())
}

fn asked(bench: &Bench<'_>, node: Node<'_>) -> Option<Asked> {
    let (holder, key, way) = match bench.view.role(node) {
        Role::Index => {
            let (object, index) = bench.view.index(node)?;
            (bench.view.role(index) != Role::Slice).then_some((object, index, Way::Element))?
        }
        Role::Binary => {
            let [binary] = &bench.view.binaries(node)[..] else { return None };
            let known = bench.view.operator(node).filter(|known| known.class == OperatorClass::Membership)?;
            let way = if known.text == "instanceof" { return None } else { way_of_in(bench, binary.right)? };
            (binary.right, binary.left, way)
        }
        Role::Call => {
            let holder = bench.view.call(node)?.receiver?;
            let key = bench.view.arguments(node).first().copied()?;
            (holder, key, way_of_call(bench, holder, bench.view.called(node))?)
        }
        _ => return None,
    };
    // Rust: `memo[&n]` is a map's
    let (key, way) = match bench.view.role(key) {
        Role::Ref => (bench.view.children(key).last().copied()?, if way == Way::Element { Way::Map } else { way }),
        _ => (key, way),
    };
    let text = bench.view.of(key);
    let is_key = !matches!(bench.view.role(key), Role::Number | Role::Str | Role::Lambda | Role::Function)
        && text.len() <= MOST_BYTES
        && !text.contains('\n');
    let is_question = is_question(bench, node);
    let mut names = bench.view.names_in(key);
    let is_key = is_key && !names.is_empty();
    names.extend(bench.view.names_in(holder));
    (is_key && is_plain(bench, holder)).then(|| Asked {
        holder: bench.view.of(holder).to_owned(),
        key: text.to_owned(),
        way,
        is_question: way == Way::Element && is_question && bench.view.role(node) == Role::Index,
        is_looked_for: is_question || bench.view.role(node) != Role::Index || is_pair(bench, node),
        names,
    })
}

/// Does a file give `holder` a value that starts with one of these?
fn begins(bench: &Bench<'_>, holder: &str, heads: &[&str]) -> bool {
    let text = bench.view.text;
    let start = format!("{holder} = ");
    text.match_indices(&start).any(|(at, _)| heads.iter().any(|head| text[at + start.len()..].starts_with(head)))
}

/// `key in holder`
fn way_of_in(bench: &Bench<'_>, holder: Node<'_>) -> Option<Way> {
    let name = bench.view.of(holder);
    let uses = |what: &str| bench.view.text.contains(&format!("{name}{what}"));
    if bench.view.language != Language::Python {
        return Some(Way::Element);
    }
    if begins(bench, name, &["\"", "'"]) {
        return None;
    }
    let is_list = uses(".append(") || begins(bench, name, &["[", "list("]);
    let is_map = uses("[") || uses(".get(") || uses(".items(") || begins(bench, name, &["{}", "dict(", "defaultdict("]);
    Some(match (is_list, is_map) {
        (true, _) => Way::List,
        (false, true) => Way::Element,
        (false, false) => Way::Set,
    })
}

fn way_of_call(bench: &Bench<'_>, holder: Node<'_>, called: &str) -> Option<Way> {
    use Language::{Java, JavaScript, Python, Rust, Tsx, TypeScript};
    let name = bench.view.of(holder);
    let has = |member: &str| bench.view.text.contains(&format!("{name}.{member}("));
    Some(match (bench.view.language, called) {
        (JavaScript | TypeScript | Tsx, "has") if !has("get") && !has("set") => Way::Set,
        (JavaScript | TypeScript | Tsx, "has" | "get") => Way::Map,
        (JavaScript | TypeScript | Tsx, "includes") => Way::List,
        (Java, "contains") => Way::Set,
        (Java, "containsKey" | "getOrDefault") => Way::Map,
        (Java, "get") if has("containsKey") || has("put") => Way::Map,
        (Rust, "contains_key") => Way::Map,
        (Rust, "get") if bench.shape(holder) & shape::MAP != 0 => Way::Map,
        (Rust, "contains") if bench.shape(holder) & shape::STR == 0 => Way::Set,
        (Python, "get") => Way::Element,
        _ => return None,
    })
}

/// `if used[i]`, `!used[i]`, `used[i] and …`
fn is_question(bench: &Bench<'_>, node: Node<'_>) -> bool {
    let above = std::iter::successors(node.parent(), Node::parent).find(|at| bench.view.role(*at) != Role::Paren);
    above.is_some_and(|at| match bench.view.role(at) {
        Role::If | Role::Elif | Role::While | Role::DoWhile | Role::Not | Role::IfClause => true,
        Role::Unary => bench.view.of(at).starts_with('!'),
        Role::Binary => bench.view.operator(at).is_some_and(|known| known.class == OperatorClass::Logical),
        _ => false,
    })
}

/// Go: `value, ok := table[key]`
fn is_pair(bench: &Bench<'_>, node: Node<'_>) -> bool {
    let above = node.parent().filter(|list| list.kind() == "expression_list").and_then(|list| list.parent());
    let left = above.and_then(|at| at.child_by_field_name("left"));
    left.is_some_and(|left| left.end_byte() <= node.start_byte() && bench.view.of(left).contains(','))
}

/// What may be stored or undone at a place, where `names` are known.
pub(super) fn statements(
    bench: &Bench<'_>,
    node: Node<'_>,
    at: usize,
    names: &[(String, f64)],
    stores: &Stores,
    options: &mut Vec<(String, f64)>,
) {
    let words = &bench.view.words().words;
    let is_known = |name: &String| {
        names.iter().any(|(known, _)| known == name)
            || words.builtins.contains(&name.as_str())
            || words.this.contains(&name.as_str())
    };
    let block = node.parent().map_or("", |block| bench.view.of(block));
    for asked in stores.asked.iter().filter(|asked| asked.names.iter().all(is_known)).take(MOST_ASKED) {
        let scale = match (stores.is_stored(&asked.holder), asked.is_looked_for) {
            (false, true) => NEVER_STORED,
            (true, _) => STORED_ELSEWHERE,
            (false, false) => ONLY_READ,
        };
        for (text, fit) in stores_of(bench, node, at, names, stores, asked) {
            if !block.contains(&text) {
                options.push((text, scale * fit));
            }
        }
    }
    let calls_itself = |text: &str| stores.own_names.iter().any(|name| text.contains(&format!("{name}(")));
    let scale = if at >= node.end_byte() && calls_itself(bench.view.of(node)) {
        AFTER_RECURSION
    } else if stores.is_recursive {
        UNDONE_ELSEWHERE
    } else {
        UNDONE_IN_PLAIN
    };
    let is_visible = |text: &str| {
        let mut words = word_set(text).into_iter().filter(|word| word.starts_with(char::is_alphabetic));
        words.all(|word| is_known(&word.to_owned()) || bench.names.members.contains_key(word))
    };
    let filled = stores.stored.iter().filter(|stored| {
        let comes_again = stored.way != Way::Set || is_visible(&stored.what);
        stored.at < at && comes_again && !stores.taken.contains(&stored.holder)
    });
    for stored in filled {
        options.extend(undone(bench, stored).into_iter().map(|(text, fit)| (text, scale * fit)));
    }
}

fn stores_of(
    bench: &Bench<'_>,
    node: Node<'_>,
    at: usize,
    names: &[(String, f64)],
    stores: &Stores,
    asked: &Asked,
) -> Vec<(String, f64)> {
    let words = &bench.view.words().words;
    let Asked { holder, key, .. } = asked;
    let store = |value: &str| match (asked.way, bench.view.language) {
        (Way::Map, Language::Java) => format!("{holder}.put({key}, {value})"),
        (Way::Map, Language::Rust) => format!("{holder}.insert({key}, {value})"),
        (Way::Map, Language::JavaScript | Language::TypeScript | Language::Tsx) => {
            format!("{holder}.set({key}, {value})")
        }
        _ => format!("{holder}[{key}] = {value}"),
    };
    match (asked.way, bench.view.language) {
        (Way::Set, Language::Rust) => return vec![(format!("{holder}.insert({key})"), 1.0)],
        (Way::Set, Language::Python | Language::JavaScript | Language::TypeScript | Language::Tsx | Language::Java) => {
            return vec![(format!("{holder}.add({key})"), 1.0)];
        }
        (Way::List, _) => {
            let text = words.add_to_list.replace("{0}", holder).replace("{1}", key);
            return vec![(text.replacen("{}", holder, 1).replacen("{}", key, 1), 0.7)];
        }
        _ => {}
    }
    if asked.is_question {
        let marks = |value: &str| {
            let is_mark = |stored: &Stored| stored.holder == *holder && stored.value.as_deref() == Some(value);
            stores.stored.iter().any(|stored| stored.at < at && is_mark(stored))
        };
        // what was marked before is cleared again
        let (yes, no) = if marks(words.yes) { (0.4, 1.5) } else { (1.0, 0.3) };
        return vec![(store(words.yes), yes), (store(words.no), no)];
    }
    let is_other = |name: &str| name != key && name != holder && !asked.names.contains(name);
    let mut made: Vec<(String, f64)> = names
        .iter()
        .filter(|(name, _)| is_other(name) && bench.shape_of_name(name, node) & shape::MAP == 0)
        .take(4)
        .map(|(name, fit)| (store(name), 0.7 * fit))
        .collect();
    let elsewhere = stores.stored.iter().filter(|stored| stored.holder == *holder);
    let short = elsewhere.filter_map(|stored| stored.value.as_deref()).filter(|value| value.len() <= 8);
    made.extend(short.take(2).map(|value| (store(value), 0.6)));
    if asked.way == Way::Element {
        made.push((format!("{holder}[{key}] += 1"), 0.5));
    }
    made
}

/// What takes out again what came in.
fn undone(bench: &Bench<'_>, stored: &Stored) -> Vec<(String, f64)> {
    let Stored { holder, what, .. } = stored;
    let is_text = bench.view.text.contains(&format!("StringBuilder {holder}"));
    match (stored.way, bench.view.language) {
        (Way::List, Language::Go) => vec![(format!("{holder} = {holder}[:len({holder})-1]"), 1.0)],
        (Way::List, Language::Java) if is_text => vec![
            (format!("{holder}.setLength({holder}.length() - 1)"), 1.0),
            (format!("{holder}.deleteCharAt({holder}.length() - 1)"), 0.9),
        ],
        (Way::List, Language::Java) => vec![
            (format!("{holder}.remove({holder}.size() - 1)"), 1.0),
            (format!("{holder}.removeLast()"), 0.6),
            (format!("{holder}.pop()"), 0.3),
        ],
        (Way::List, _) => vec![(format!("{holder}.pop()"), 1.0)],
        (Way::Set, Language::JavaScript | Language::TypeScript | Language::Tsx) => {
            vec![(format!("{holder}.delete({what})"), 1.0)]
        }
        (Way::Set, Language::Rust) => vec![(format!("{holder}.remove(&{what})"), 1.0)],
        (Way::Set, _) => vec![(format!("{holder}.remove({what})"), 1.0)],
        _ => Vec::new(),
    }
}

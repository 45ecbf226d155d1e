//! Signs in the text itself of where a slip is and where it is not: a name that nobody reads asks to be read, an expression
//! that is the same in several places is right in each of them, and what was just looked up is not looked up again. Pure.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use tree_sitter::{Node, Tree};

use super::beside::Beside;
use super::languages::{OperatorClass, Role};
use super::scope::pattern_names;
use super::view::View;
use crate::syntax::functions::each_node;

/// An edit after which something reads what is assigned and never read.
const READ_AT_LAST: f64 = 2.5;
/// The same for a parameter: those are more often there for somebody else's sake.
const USED_AT_LAST: f64 = 1.5;
/// An edit of one of several expressions that are the same.
const ODD_ONE_OUT: f64 = 0.4;
/// An edit after which nobody reads what is read in one place.
const READ_NO_MORE: f64 = 0.4;
/// An edit that calls a function on what that function has given.
const TWICE: f64 = 0.2;
/// What a loop counts becomes what it counts up to, inside of the loop: `table[row][0] = rows`.
const BOUND_OF_LOOP: f64 = 0.35;
/// An expression has to be there so often before one of it is not changed alone.
const OFTEN: usize = 3;

/// A name in the bytes of its function.
#[derive(Debug, Clone)]
struct InFunction {
    bytes: Range<usize>,
    name: String,
}

/// What the text of a file says of edits in it.
#[derive(Debug, Default)]
pub(super) struct Signs {
    /// Local variables that are only ever assigned.
    unread: Vec<InFunction>,
    /// Parameters that nothing uses.
    unused: Vec<InFunction>,
    /// Variables and parameters that are read in one place.
    read_once: Vec<InFunction>,
    /// Each of the expressions that are the same in a function.
    repeated: Vec<Range<usize>>,
    /// Names that are set once, to what a function gives, with that function's name.
    given_by: Vec<(InFunction, String)>,
    /// What loops count, in what they repeat, with the words of what they go through.
    counted: Vec<(InFunction, Vec<String>)>,
    /// What stands beside something else.
    beside: Beside,
}

impl Signs {
    pub fn of(view: View<'_>, tree: &Tree) -> Self {
        let mut signs = Self::default();
        each_node(tree.root_node(), &mut |node| {
            if matches!(view.role(node), Role::Function | Role::Lambda) {
                signs.function(view, node);
            }
            signs.counted.extend(counted(view, node));
        });
        signs.beside = Beside::of(view, tree);
        signs
    }

    /// How much more likely an edit is than its kind and place say.
    pub fn times(&self, range: &Range<usize>, old: &str, new: &str) -> f64 {
        let comes = |name: &str| is_read_in(new, name) && count(old, name) == 0;
        let is_in = |at: &InFunction| at.bytes.start <= range.start && range.end <= at.bytes.end && comes(&at.name);
        let mut times = 1.0;
        if self.unread.iter().any(is_in) {
            times *= READ_AT_LAST;
        } else if self.unused.iter().any(is_in) {
            times *= USED_AT_LAST;
        }
        let goes = |at: &InFunction| {
            at.bytes.contains(&range.start) && count(old, &at.name) == 1 && count(new, &at.name) == 0 && !new.is_empty()
        };
        if self.read_once.iter().any(goes) {
            times *= READ_NO_MORE;
        }
        if self.repeated.iter().any(|one| one.start <= range.start && range.end <= one.end && !range.is_empty()) {
            times *= ODD_ONE_OUT;
        }
        let twice = |(at, by): &(InFunction, String)| {
            let calls = |text: &str| text.contains(&format!("{by}({}", at.name));
            at.bytes.contains(&range.start) && calls(new) && !calls(old)
        };
        if self.given_by.iter().any(twice) {
            times *= TWICE;
        }
        let is_bound = |(at, bounds): &(InFunction, Vec<String>)| {
            at.bytes.contains(&range.start) && at.name == old && bounds.iter().any(|bound| bound == new)
        };
        if self.counted.iter().any(is_bound) {
            times *= BOUND_OF_LOOP;
        }
        times * self.beside.times(range, new)
    }

    fn function(&mut self, view: View<'_>, node: Node<'_>) {
        let text = view.of(node);
        let mut set: BTreeMap<&str, usize> = BTreeMap::new();
        let mut given: HashMap<&str, String> = HashMap::new();
        let mut expressions: BTreeMap<&str, Vec<Range<usize>>> = BTreeMap::new();
        each_node(node, &mut |inner| match view.role(inner) {
            Role::Assign | Role::Declarator | Role::Declare | Role::AugAssign => {
                let Some((left, right)) = view.assignment(inner) else { return };
                for name in targets(view, left) {
                    *set.entry(name).or_insert(0) += 1;
                }
                if view.role(left) == Role::Ident
                    && view.role(right) == Role::Call
                    && let Some(called) = view.call(right).and_then(|call| call.name)
                {
                    given.insert(view.of(left), view.text[right.start_byte()..called.end_byte()].to_owned());
                }
            }
            Role::Binary if is_made_of_several(view, inner) => {
                expressions.entry(view.of(inner)).or_default().push(inner.byte_range());
            }
            _ => {}
        });
        let own = |name: &str| InFunction { bytes: node.byte_range(), name: name.to_owned() };
        let is_told = |name: &&str| !name.starts_with('_') && name.len() > 1;
        // words of comments and strings count as readings: format strings are readings
        let parameters = node.child_by_field_name("parameters");
        let parameters = parameters.map(|list| targets(view, list)).unwrap_or_default();
        for name in parameters.iter().copied().filter(is_told) {
            match count(text, name).saturating_sub(set.get(name).copied().unwrap_or(0)) {
                0 | 1 => self.unused.push(own(name)),
                2 => self.read_once.push(own(name)),
                _ => {}
            }
        }
        for (name, times) in set.iter().filter(|(name, _)| is_told(name) && !parameters.contains(name)) {
            match count(text, name).saturating_sub(*times) {
                0 => self.unread.push(own(name)),
                1 => self.read_once.push(own(name)),
                _ => {}
            }
        }
        let repeated = expressions.into_values().filter(|places| places.len() >= OFTEN);
        self.repeated.extend(repeated.flatten());
        let once = given.into_iter().filter(|(name, _)| set.get(name) == Some(&1));
        self.given_by.extend(once.map(|(name, by)| (own(name), by)));
    }
}

/// `for row in range(rows)`: `row`, with `range` and `rows`.
fn counted(view: View<'_>, node: Node<'_>) -> Vec<(InFunction, Vec<String>)> {
    let (Role::ForEach, Some(body)) = (view.role(node), view.body(node)) else { return Vec::new() };
    let target = view.field(node, &["left", "pattern", "name"]);
    let through = view.field(node, &["right", "value"]);
    let Some((target, through)) = target.zip(through) else { return Vec::new() };
    let bounds: Vec<String> = words(view.of(through)).map(str::to_owned).collect();
    let of_name = |name: &str| (InFunction { bytes: body.byte_range(), name: name.to_owned() }, bounds.clone());
    targets(view, target).into_iter().map(of_name).collect()
}

/// The plain names that are bound in a target or a list of parameters.
fn targets<'s>(view: View<'s>, target: Node<'_>) -> Vec<&'s str> {
    let mut found = Vec::new();
    pattern_names(view, target, &mut found);
    found.into_iter().map(|name| view.of(name)).collect()
}

/// Arithmetic with more than one operator: shorter expressions are the same by chance.
fn is_made_of_several(view: View<'_>, node: Node<'_>) -> bool {
    let is_arithmetic = |node: Node<'_>| {
        view.role(node) == Role::Binary
            && view.operator(node).is_some_and(|known| {
                !matches!(
                    known.class,
                    OperatorClass::Order | OperatorClass::Equality | OperatorClass::Membership | OperatorClass::Logical
                )
            })
    };
    let [binary] = &view.binaries(node)[..] else { return false };
    is_arithmetic(node) && [binary.left, binary.right].into_iter().any(|side| is_arithmetic(view.unwrap_parens(side)))
}

/// Is `name` more than the target of an assignment that comes?
fn is_read_in(new: &str, name: &str) -> bool {
    let set = new.trim_start().strip_prefix(name).map(|rest| rest.trim_start()).is_some_and(|rest| {
        let operator = rest.trim_start_matches(['+', '-', '*', '/', '%', '&', '|', '^', '<', '>', ':']);
        operator.starts_with('=') && !operator.starts_with("==")
    });
    count(new, name) > usize::from(set)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).filter(|word| !word.is_empty())
}

fn count(text: &str, name: &str) -> usize {
    words(text).filter(|word| *word == name).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixer::mutate::edits::Project;

    /// What the signs say of putting `new` in place of the `nth` `old` in a file.
    fn times(file: &str, text: &str, (old, nth): (&str, usize), new: &str) -> f64 {
        let project = Project::load(vec![(file.into(), text.as_bytes().to_vec())], |_| true);
        let source = &project.sources()[0];
        let (start, _) = text.match_indices(old).nth(nth).unwrap();
        Signs::of(source.view(), &source.tree).times(&(start..start + old.len()), old, new)
    }

    const HEAP: &str = "def push(items, at, unit):\n    seen = 0\n    while items[at] < items[(at - 1) // 2]:\n        \
                        seen += 1\n        swap(items, at, (at - 1) // 2)\n        at = (at - 1) // 2\n    \
                        code = look(at)\n    return code\n";

    #[test]
    fn what_nobody_reads_asks_to_be_read() {
        assert_eq!(times("a.py", HEAP, ("return code", 0), "return code + seen"), READ_AT_LAST);
        assert_eq!(times("a.py", HEAP, ("return code", 0), "return code + unit"), USED_AT_LAST);
        assert_eq!(times("a.py", HEAP, ("return code", 0), "return code + at"), 1.0);
        // assigning it once more is no reading
        assert_eq!(times("a.py", HEAP, ("return code", 0), "seen = code"), 1.0);
        assert_eq!(times("a.py", HEAP, ("return code", 0), "seen == code"), READ_AT_LAST);
        let rust = "fn f(goal: u32) -> usize {\n    let (mut best, mut start) = (0, 0);\n    best = start;\n    \
                    start += 1;\n    start\n}\n";
        assert_eq!(times("a.rs", rust, ("start", 3), "best"), READ_AT_LAST);
        assert_eq!(times("a.rs", rust, ("start", 3), "goal"), USED_AT_LAST);
        // a format string reads
        let told = "fn f(n: u32) -> u32 {\n    let name = n;\n    println!(\"{name}\");\n    n\n}\n";
        assert_eq!(times("a.rs", told, ("n\n}", 0), "name\n}"), 1.0);
        let js = "function f(rows, depth = 0) {\n  let last = 0;\n  last = rows.length;\n  return rows;\n}\n";
        assert_eq!(times("a.js", js, ("return rows", 0), "return last"), READ_AT_LAST);
        assert_eq!(times("a.js", js, ("return rows", 0), "return depth"), USED_AT_LAST);
        let go = "package p\n\nfunc f(rows []int, depth int) int {\n\tlast := 0\n\tlast = len(rows)\n\treturn 0\n}\n";
        assert_eq!(times("a.go", go, ("return 0", 0), "return last"), READ_AT_LAST);
        assert_eq!(times("a.go", go, ("return 0", 0), "return depth"), USED_AT_LAST);
        let java = "class A {\n    int f(int[] rows, int depth) {\n        int last = 0;\n        last = rows.length;\n        \
                    return 0;\n    }\n}\n";
        assert_eq!(times("A.java", java, ("return 0", 0), "return last"), READ_AT_LAST);
        assert_eq!(times("A.java", java, ("return 0", 0), "return depth"), USED_AT_LAST);
    }

    #[test]
    fn what_a_loop_counts_is_not_what_it_counts_up_to() {
        let python = "def f(rows, other):\n    for row in range(rows):\n        table[row] = row\n    return rows\n";
        assert_eq!(times("a.py", python, ("row", 4), "rows"), BOUND_OF_LOOP);
        assert_eq!(times("a.py", python, ("row", 4), "other"), USED_AT_LAST);
        let rust = "fn f(rows: usize, last: usize) -> usize {\n    for row in 0..rows {\n        set(row, last);\n    }\n    rows\n}\n";
        assert_eq!(times("a.rs", rust, ("row", 3), "rows"), BOUND_OF_LOOP);
    }

    #[test]
    fn what_is_read_in_one_place_stays_read() {
        let js =
            "function f(rows, parent, depth = 0) {\n  const dash = parent;\n  return dash.repeat(depth) + rows;\n}\n";
        assert_eq!(times("a.js", js, ("depth", 1), "parent"), READ_NO_MORE);
        assert_eq!(times("a.js", js, ("dash", 1), "parent"), READ_NO_MORE);
        assert_eq!(times("a.js", js, ("depth", 1), "depth + 1"), 1.0);
        // what goes altogether is another matter
        assert_eq!(times("a.js", js, (".repeat(depth)", 0), ""), 1.0);
    }

    #[test]
    fn one_of_several_expressions_that_are_the_same_is_not_changed_alone() {
        assert_eq!(times("a.py", HEAP, ("2", 1), "3"), ODD_ONE_OUT);
        assert_eq!(times("a.py", HEAP, ("(at - 1) // 2", 2), "at // 2"), ODD_ONE_OUT);
        // the statement around it may change
        assert_eq!(times("a.py", HEAP, ("at = (at - 1) // 2", 0), "at -= 1"), 1.0);
        let twice = HEAP.replacen("(at - 1) // 2", "at // 2", 1);
        assert_eq!(times("a.py", &twice, ("(at - 1) // 2", 0), "at // 2"), 1.0);
    }

    #[test]
    fn what_was_just_looked_up_is_not_looked_up_again() {
        assert_eq!(times("a.py", HEAP, ("code", 1), "look(code)"), TWICE);
        assert_eq!(times("a.py", HEAP, ("code", 1), "find(code)"), 1.0);
        assert_eq!(times("a.py", HEAP, ("look(at)", 0), "look(look(at))"), 1.0);
    }
}

//! An expression around an expression: calls, indices, sums with a name in scope, defaults.

use super::super::EditKind;
use super::super::languages::{OperatorClass, Role, shape};
use super::super::piece::Piece;
use super::super::scope::{Known, Origin};
use super::atoms::{is_there_once, name_piece};
use super::{Bench, Place, Spot};
use crate::syntax::functions::each_node;
use crate::syntax::language::Language;
use tree_sitter::Node;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    for spot in spots.iter().filter(|spot| spot.place == Place::Value && spot.touched) {
        let Some(fit) = place_fit(bench, spot) else { continue };
        wrap(bench, spot.node, fit);
        extend(bench, spot.node, fit);
        sliced(bench, spot.node, fit);
        bounded(bench, spot.node, fit);
        running(bench, spot.node);
        looked_up(bench, spot.node, fit);
        called_elsewhere(bench, spot.node, fit);
        helped(bench, spot.node, fit);
    }
}

/// So many functions of the file are put around a value.
const MOST_HELPERS: usize = 6;
/// A helper that nothing calls was most likely called at the place that is wrong. Estimates.
const NEVER_CALLED: f64 = 2.0;
const CALLED: f64 = 0.4;

/// `value` becomes `plain(value)`, where the file has such a function of one argument, called here or not.
fn helped(bench: &mut Bench<'_>, node: Node<'_>, place: f64) {
    let visible: Vec<&str> =
        bench.visible(node).iter().filter(|b| b.origin == Origin::Function).map(|b| b.name.as_str()).collect();
    let at = node.start_byte();
    let is_of_own_class = |range: &std::ops::Range<usize>| {
        bench.names.classes.iter().any(|(class, _)| class.contains(&at) && class.contains(&range.start))
    };
    let this = bench.view.words().words.this.first().filter(|_| bench.view.language != Language::Java);
    let mut helpers: Vec<(bool, usize, String)> = Vec::new();
    for known in &bench.names.functions {
        let owner = match (known.is_method, this) {
            (true, Some(this)) if is_of_own_class(&known.range) => format!("{this}."),
            (true, None) if is_of_own_class(&known.range) => String::new(),
            (false, _) if visible.contains(&known.name.as_str()) => String::new(),
            _ => continue,
        };
        let holds = match known.arity {
            1 => "{}",
            2.. if bench.view.language == Language::Python && is_taken_apart(bench, node) => "*{}",
            _ => continue,
        };
        if known.range.contains(&at) || known.name.starts_with("__") {
            continue;
        }
        let is_lonely = bench.names.words.get(&known.name) == Some(&1) && is_for_the_file(bench, known);
        helpers.push((!is_lonely, known.range.start.abs_diff(at), format!("{owner}{}({holds})", known.name)));
    }
    helpers.sort();
    let own = bench.piece(node);
    for (is_called, _, template) in helpers.into_iter().take(MOST_HELPERS) {
        let new = bench.fill(&template, &[&own]);
        bench.replace(EditKind::Wrap, node, &new, place * if is_called { CALLED } else { NEVER_CALLED });
    }
}

/// `a, b = value`
fn is_taken_apart(bench: &Bench<'_>, node: Node<'_>) -> bool {
    let assigned = node.parent().and_then(|parent| bench.view.assignment(parent));
    assigned.is_some_and(|(left, right)| {
        right.id() == node.id() && matches!(bench.view.role(left), Role::Pattern | Role::Tuple)
    })
}

/// Nobody outside can call it, or is meant to.
fn is_for_the_file(bench: &Bench<'_>, known: &Known) -> bool {
    let before = bench.view.text.get(..known.range.start).unwrap_or("");
    let line = before.rsplit('\n').next().unwrap_or("");
    let head = bench.view.text.get(known.range.clone()).unwrap_or("");
    match bench.view.language {
        Language::Python => {
            known.name.starts_with('_')
                || bench
                    .names
                    .functions
                    .iter()
                    .any(|other| other.range.start < known.range.start && known.range.end <= other.range.end)
        }
        Language::Rust => !head.starts_with("pub"),
        Language::Go => known.name.starts_with(char::is_lowercase),
        Language::Java => head.contains("private "),
        _ => {
            known.name.starts_with(['_', '#'])
                || !known.is_method && !line.contains("export") && !head.starts_with("export")
        }
    }
}

/// So many things are tried as what a value is looked up in.
const MOST_HOLDERS: usize = 4;

/// `key` becomes `item[key]`.
fn looked_up(bench: &mut Bench<'_>, node: Node<'_>, place: f64) {
    let odd = shape::BOOL | shape::SEQ | shape::MAP | shape::FUNC;
    let stands = matches!(bench.view.role(node), Role::Ident | Role::Member)
        && !matches!(bench.view.parent_role(node), Role::Member | Role::Index | Role::Slice);
    if !stands || bench.shape(node) & odd != 0 || bench.view.language == Language::Java {
        return;
    }
    let own = bench.piece(node);
    let holders = bench.candidates(node, shape::SEQ | shape::MAP).into_iter().filter(|(name, _)| *name != own.text);
    for (name, fit) in holders.take(MOST_HOLDERS) {
        let new = bench.fill("{}[{}]", &[&name_piece(&name), &own]);
        bench.replace(EditKind::Wrap, node, &new, 0.45 * fit * place);
    }
}

/// So many functions are put around a value because the same function calls them elsewhere.
const MOST_CALLED: usize = 6;

/// `value` becomes `decode(value)`, where the same function asks `decode(…)` of something else.
fn called_elsewhere(bench: &mut Bench<'_>, node: Node<'_>, place: f64) {
    let Some(function) = bench.view.function(node) else { return };
    let own = bench.piece(node);
    let mut known: Vec<(usize, String)> = Vec::new();
    each_node(function, &mut |inner| {
        let outside = inner.end_byte() <= node.start_byte() || inner.start_byte() >= node.end_byte();
        let Some(template) = outside.then(|| template_of(bench, inner)).flatten() else { return };
        if known.iter().all(|(_, other)| *other != template) {
            known.push((inner.start_byte().abs_diff(node.start_byte()), template));
        }
    });
    known.sort();
    for (_, template) in known.into_iter().take(MOST_CALLED) {
        let new = bench.fill(&template, &[&own]);
        bench.replace(EditKind::Wrap, node, &new, 0.5 * place);
    }
}

/// `decode({})` of a call with one argument, `{}.trim()` of one without.
fn template_of(bench: &Bench<'_>, node: Node<'_>) -> Option<String> {
    const LONGEST: usize = 30;
    if bench.view.role(node) != Role::Call {
        return None;
    }
    let call = bench.view.call(node)?;
    let list = call.arguments?;
    let called = &bench.view.text[node.start_byte()..list.start_byte()];
    let is_plain = |text: &str| text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | ':'));
    match (call.receiver, bench.view.children(list).len()) {
        (Some(receiver), 0) => {
            let method = &bench.view.text[receiver.end_byte()..list.start_byte()];
            (method.len() <= LONGEST && is_plain(method)).then(|| format!("{{}}{method}()"))
        }
        (_, 1) => (called.len() <= LONGEST && is_plain(called)).then(|| format!("{called}({{}})")),
        _ => None,
    }
}

/// How likely something is missing around this node; `None` where nothing can be.
fn place_fit(bench: &Bench<'_>, spot: &Spot<'_>) -> Option<f64> {
    let node = spot.node;
    let parent = node.parent()?;
    let role = bench.view.role(parent);
    if role == Role::Paren || spot.role == Role::Paren || spot.role == Role::Slice {
        return None;
    }
    let is_function_of_call = matches!(role, Role::Call)
        && parent.child_by_field_name("function").is_some_and(|called| called.id() == node.id());
    if is_function_of_call {
        return None;
    }
    let size = bench.view.of(node).len();
    if size > 70 {
        return None;
    }
    let by_place = match role {
        Role::Return | Role::Yield => 1.0,
        Role::Args | Role::KeywordArg => 0.8,
        Role::Assign | Role::Declarator | Role::AugAssign | Role::Lambda => 0.9,
        Role::ForEach | Role::ForIn => 1.0,
        Role::Binary => 0.8,
        Role::Index | Role::Slice => 0.4,
        Role::Member | Role::Call => 0.5,
        Role::Tuple | Role::List | Role::Pair | Role::Ternary | Role::Comprehension | Role::Clause | Role::Range => 0.6,
        Role::Block | Role::Function
            if matches!(
                bench.view.language,
                Language::Rust | Language::JavaScript | Language::TypeScript | Language::Tsx
            ) =>
        {
            0.9
        }
        Role::If | Role::While | Role::Elif | Role::Unary | Role::Not | Role::IfClause => 0.3,
        _ => return None,
    };
    let by_role = match spot.role {
        Role::Ident | Role::Member | Role::Index | Role::Slice => 1.0,
        Role::Call => 0.9,
        Role::Binary => 0.8,
        Role::Comprehension => 0.7,
        Role::List if bench.view.children(node).is_empty() => return None,
        Role::List => 0.4,
        Role::Ternary | Role::Macro | Role::Cast | Role::Question | Role::Range => 0.4,
        _ => return None,
    };
    Some(by_place * by_role)
}

fn wrap(bench: &mut Bench<'_>, node: Node<'_>, place: f64) {
    let known = bench.shape(node);
    let own = bench.piece(node);
    let parent = bench.view.parent_role(node);
    let wanted = wanted_shape(bench, node);
    for candidate in bench.view.words().wraps {
        if !candidate.needs.is_empty() && !bench.names.words.contains_key(candidate.needs) {
            continue;
        }
        // a text is no list, though both have a length
        let fits = if candidate.fits == shape::ANY {
            0.6
        } else if known == 0 {
            0.5
        } else if known & candidate.fits != 0 {
            1.0
        } else {
            continue;
        };
        let gives = if wanted == 0 || candidate.gives == shape::ANY {
            0.7
        } else if wanted & candidate.gives != 0 {
            1.0
        } else {
            0.15
        };
        if own.text.starts_with(candidate.template.split('{').next().unwrap_or(""))
            && candidate.template.contains('(')
            && !candidate.template.starts_with('{')
        {
            // `len(len(x))`
            continue;
        }
        let iterated = matches!(parent, Role::ForEach | Role::ForIn);
        let suits =
            if iterated && candidate.gives & shape::SEQ == 0 && candidate.gives != shape::ANY { 0.1 } else { 1.0 };
        let lone = if candidate.template == "[{}]" && is_lone(bench, node) { LONE } else { 1.0 };
        // who sorts says there which way
        let turns = match candidate.template {
            "{}[::-1]" if own.text.starts_with("sorted(") => SORTED,
            "{}[::-1]" if iterated && bench.view.role(node) == Role::Ident => BACKWARDS,
            "{}.sort()" | "{}.reverse()" if iterated && bench.view.role(node) == Role::Ident => IN_PLACE,
            _ => 1.0,
        };
        let new = bench.fill(candidate.template, &[&own, &own]);
        bench.replace(EditKind::Wrap, node, &new, candidate.weight * fits * gives * suits * place * lone * turns);
    }
}

/// A lone element beside a list most likely has to be one of a list itself.
const LONE: f64 = 5.0;
/// A sorted list is turned round by `reverse=True`, which keeps equal ones in order: so much is left of the other way.
const SORTED: f64 = 0.3;

/// Who goes through a whole list backwards mostly says so at once. An estimate.
const BACKWARDS: f64 = 0.5;

/// The list of somebody else is seldom sorted in place on the way into a loop. An estimate.
const IN_PLACE: f64 = 0.2;

/// Python: `found + value`, where nothing says that the sides are numbers or texts.
fn is_lone(bench: &Bench<'_>, node: Node<'_>) -> bool {
    let plain = shape::NUM | shape::STR | shape::BOOL;
    let Some((other, operator)) = bench.other_side(node) else { return false };
    bench.view.language == Language::Python
        && matches!(operator, "+" | "+=")
        && bench.shape(other) & plain == 0
        && bench.shape(node) & (shape::SEQ | shape::STR) == 0
        && bench.view.role(other) != Role::Number
}

/// The shape that the place asks for, by its neighbours.
fn wanted_shape(bench: &Bench<'_>, node: Node<'_>) -> u16 {
    let Some(parent) = node.parent() else { return 0 };
    match bench.view.role(parent) {
        Role::Binary => {
            let other = bench.view.binaries(parent).into_iter().find_map(|binary| {
                if binary.left.id() == node.id() {
                    Some(binary.right)
                } else if binary.right.id() == node.id() {
                    Some(binary.left)
                } else {
                    None
                }
            });
            other.map_or(0, |other| bench.shape(other))
        }
        Role::ForEach | Role::ForIn => shape::SEQ,
        Role::If | Role::While | Role::Elif | Role::Not | Role::IfClause => shape::BOOL,
        _ => 0,
    }
}

/// A name that nobody reads most likely belongs into what is worked out after it. An estimate.
const NEVER_READ: f64 = 3.0;

/// `x` becomes `x + y`, `y + x`, `x - y`, `x * y` with names in scope.
fn extend(bench: &mut Bench<'_>, node: Node<'_>, place: f64) {
    let known = bench.shape(node);
    let is_number = known & shape::NUM != 0;
    let is_joined = known & (shape::SEQ | shape::STR) != 0;
    if known & (shape::BOOL | shape::MAP | shape::FUNC) != 0 && !is_number && !is_joined {
        return;
    }
    let own = bench.piece(node);
    let mut wanted = known & (shape::NUM | shape::SEQ | shape::STR);
    if !is_number && matches!(bench.view.parent_role(node), Role::Return | Role::Assign | Role::Declarator | Role::Args)
    {
        otherwise(bench, node, &own, place);
    }
    if wanted == 0 {
        wanted = shape::NUM;
    }
    let words = bench.view.words();
    let function = bench.view.function(node).map_or("", |function| bench.view.of(function));
    for (name, fit) in bench.candidates(node, wanted).into_iter().take(7) {
        if name == own.text {
            continue;
        }
        let other = name_piece(&name);
        let others_shape = bench.shape_of_name(&name, node);
        let mut fit = fit * place * if is_number || is_joined { 1.0 } else { 0.5 };
        if is_there_once(function, &name) {
            fit *= NEVER_READ;
        }
        if own.text.contains(&name) {
            fit *= 0.6;
        }
        let sum = Piece::binary(words, &own, "+", &other);
        bench.replace(EditKind::Extend, node, &sum, 0.7 * fit);
        let reversed = Piece::binary(words, &other, "+", &own);
        bench.replace(EditKind::Extend, node, &reversed, if is_joined { 0.7 } else { 0.3 } * fit);
        if is_joined && !is_number {
            if bench.view.language == Language::Python && known & shape::SEQ != 0 {
                let list = Piece::atom(format!("[{name}]"));
                let sum = Piece::binary(words, &own, "+", &list);
                bench.replace(EditKind::Extend, node, &sum, 0.4 * fit);
                let sum = Piece::binary(words, &list, "+", &own);
                bench.replace(EditKind::Extend, node, &sum, 0.4 * fit);
            }
            continue;
        }
        if others_shape & (shape::SEQ | shape::STR) != 0 {
            continue;
        }
        for (operator, part) in [("-", 0.8), ("*", 0.5), ("%", 0.35), ("/", 0.2)] {
            let new = Piece::binary(words, &own, operator, &other);
            bench.replace(EditKind::Extend, node, &new, part * fit);
        }
        let reversed = Piece::binary(words, &other, "-", &own);
        bench.replace(EditKind::Extend, node, &reversed, 0.3 * fit);
        if bench.view.language == Language::Python {
            let new = Piece::binary(words, &own, "//", &other);
            bench.replace(EditKind::Extend, node, &new, 0.25 * fit);
        }
        let (low, high) = minimum_and_maximum(bench.view.language);
        for template in [low, high].into_iter().filter(|template| !template.is_empty()) {
            let new = bench.fill(template, &[&own, &other]);
            bench.replace(EditKind::Extend, node, &new, 0.3 * fit);
        }
    }
    own_square(bench, node, &own, known, place);
}

/// `values` becomes `values[k:]`, `i` in `a[i]` becomes `i % len(a)`.
fn sliced(bench: &mut Bench<'_>, node: Node<'_>, place: f64) {
    let known = bench.shape(node);
    if matches!(bench.view.role(node), Role::Ident | Role::Member | Role::Call)
        && known & (shape::NUM | shape::BOOL | shape::MAP | shape::FUNC) == 0
    {
        let templates: &[&str] = match bench.view.language {
            Language::Python | Language::Go => &["{}[{}:]", "{}[:{}]", "{}[{}]"],
            Language::JavaScript | Language::TypeScript | Language::Tsx => {
                &["{}.slice({})", "{}.slice(0, {})", "{}[{}]"]
            }
            Language::Rust => &["{}[{}]", "{}[{}..]", "{}[..{}]"],
            Language::Java => &["{}[{}]"],
        };
        let own = bench.piece(node);
        let sure = if known & (shape::SEQ | shape::STR) != 0 { 1.0 } else { 0.5 };
        for (name, fit) in bench.candidates(node, shape::NUM).into_iter().filter(|(name, _)| *name != own.text).take(4)
        {
            for template in templates {
                let new = bench.fill(template, &[&own, &name_piece(&name)]);
                bench.replace(EditKind::Wrap, node, &new, 0.5 * fit * sure * place);
            }
        }
    }
    let Some(parent) = node.parent() else { return };
    if let Some((object, index)) = bench.view.index(parent)
        && index.id() == node.id()
        && bench.view.role(node) != Role::Str
        && known & (shape::STR | shape::SEQ) == 0
    {
        let length = bench.fill(bench.view.words().words.length, &[&bench.piece(object)]);
        let new = Piece::binary(bench.view.words(), &bench.piece(node), "%", &length);
        bench.replace(EditKind::Extend, node, &new, 0.9);
        let new = Piece::binary(bench.view.words(), &length, "-", &bench.piece(node));
        bench.replace(EditKind::Extend, node, &new, 0.2);
    }
}

/// `x` becomes `x or y`.
fn otherwise(bench: &mut Bench<'_>, node: Node<'_>, own: &Piece, place: f64) {
    let operators: &[&str] = match bench.view.language {
        Language::Python => &["or"],
        Language::JavaScript | Language::TypeScript | Language::Tsx => &["||", "??"],
        _ => return,
    };
    for (name, fit) in bench.candidates(node, 0).into_iter().filter(|(name, _)| *name != own.text).take(4) {
        for operator in operators {
            let new = Piece::binary(bench.view.words(), own, operator, &name_piece(&name));
            bench.replace(EditKind::Extend, node, &new, 0.3 * fit * place);
        }
    }
}

fn own_square(bench: &mut Bench<'_>, node: Node<'_>, own: &Piece, known: u16, place: f64) {
    if known & shape::NUM == 0 || own.text.len() > 12 || !matches!(bench.view.role(node), Role::Ident | Role::Member) {
        return;
    }
    let square = Piece::binary(bench.view.words(), own, "*", own);
    bench.replace(EditKind::Extend, node, &square, 0.35 * place);
    let twice = Piece::binary(bench.view.words(), own, "*", &Piece::atom("2"));
    bench.replace(EditKind::Extend, node, &twice, 0.2 * place);
    if bench.view.language == Language::Python {
        for (operator, amount) in [("//", "2"), ("%", "2")] {
            let half = Piece::binary(bench.view.words(), own, operator, &Piece::atom(amount));
            bench.replace(EditKind::Extend, node, &half, 0.15 * place);
        }
    }
}

fn minimum_and_maximum(language: Language) -> (&'static str, &'static str) {
    match language {
        Language::Python => ("min({}, {})", "max({}, {})"),
        Language::JavaScript | Language::TypeScript | Language::Tsx | Language::Java => {
            ("Math.min({}, {})", "Math.max({}, {})")
        }
        Language::Rust => ("{}.min({})", "{}.max({})"),
        Language::Go => ("min({}, {})", "max({}, {})"),
    }
}

/// `x` becomes `max(a[i], x)`, with an element or a field that the same function asks for nearby.
fn bounded(bench: &mut Bench<'_>, node: Node<'_>, place: f64) {
    let stands = matches!(
        bench.view.parent_role(node),
        Role::Assign | Role::Declarator | Role::Tuple | Role::List | Role::Return | Role::Args | Role::Pair
    );
    let odd = shape::STR | shape::SEQ | shape::MAP | shape::BOOL | shape::FUNC;
    let is_small = matches!(bench.view.role(node), Role::Ident | Role::Index | Role::Member | Role::Binary);
    let Some(function) = bench.view.function(node).filter(|_| stands && is_small) else { return };
    if bench.shape(node) & odd != 0 {
        return;
    }
    let own = bench.piece(node);
    let mut near: Vec<(usize, String)> = Vec::new();
    each_node(function, &mut |inner| {
        let text = bench.view.of(inner);
        let is_read = matches!(bench.view.role(inner), Role::Index | Role::Member)
            && !matches!(bench.view.parent_role(inner), Role::Call | Role::Index | Role::Member);
        if is_read && text.len() <= 30 && text != own.text && near.iter().all(|(_, known)| known != text) {
            near.push((inner.start_byte().abs_diff(node.start_byte()), text.to_owned()));
        }
    });
    near.sort();
    let (low, high) = minimum_and_maximum(bench.view.language);
    for (_, text) in near.into_iter().take(4) {
        let other = Piece { text, level: super::super::languages::level::POSTFIX };
        for template in [high, low] {
            let new = bench.fill(template, &[&other, &own]);
            bench.replace(EditKind::Wrap, node, &new, 0.45 * place);
        }
    }
}

/// `best = x` becomes `best = max(best, x)`. Estimates: an element of a table, which is compared elsewhere, most of all.
const RUNNING: f64 = 0.6;
const RUNNING_ELEMENT: f64 = 1.5;

/// Is what is set here compared by `<` or `>` in the function?
fn is_compared(bench: &Bench<'_>, target: Node<'_>) -> bool {
    let Some(function) = bench.view.function(target) else { return false };
    let own = bench.view.of(target);
    let mut found = false;
    each_node(function, &mut |inner| {
        let compares = bench.view.operator(inner).is_some_and(|known| known.class == OperatorClass::Order);
        found |= compares
            && bench
                .view
                .binaries(inner)
                .iter()
                .any(|b| [b.left, b.right].iter().any(|side| bench.view.of(*side) == own));
    });
    found
}

fn running(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some(parent) = node.parent() else { return };
    if bench.view.role(parent) != Role::Assign
        && !(bench.view.language == Language::Go && bench.view.role(parent) == Role::Clause)
    {
        return;
    }
    let assignment = if bench.view.role(parent) == Role::Assign { parent } else { parent.parent().unwrap_or(parent) };
    let Some((left, right)) = bench.view.assignment(assignment) else { return };
    if right.id() != node.id() || bench.shape(node) & (shape::STR | shape::SEQ | shape::MAP | shape::BOOL) != 0 {
        return;
    }
    let (target, own) = (bench.piece(left), bench.piece(node));
    let (low, high) = minimum_and_maximum(bench.view.language);
    let is_element = bench.view.role(left) == Role::Index && is_compared(bench, left);
    let fit = if is_element { RUNNING_ELEMENT } else { RUNNING };
    for template in [high, low] {
        let new = bench.fill(template, &[&target, &own]);
        bench.replace(EditKind::Wrap, node, &new, fit);
        let new = bench.fill(template, &[&own, &target]);
        bench.replace(EditKind::Wrap, node, &new, 0.1);
    }
}

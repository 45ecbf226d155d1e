//! Names: what is bound where, what is known of its value, which members exist.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use tree_sitter::{Node, Tree};

use super::languages::{OperatorClass, Role, shape};
use super::view::View;
use crate::syntax::functions::each_node;
use crate::syntax::language::Language;

/// Where a name comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Origin {
    Parameter,
    Local,
    LoopVariable,
    Field,
    Function,
    Class,
    Global,
    Import,
}

/// One binding of a name.
#[derive(Debug, Clone)]
pub(super) struct Binding {
    pub name: String,
    pub origin: Origin,
    /// Bytes in which it is known.
    pub scope: Range<usize>,
    /// Known from this byte on; earlier too inside a loop that has both.
    pub from: usize,
    /// The loop around the binding, if any.
    pub around: Option<Range<usize>>,
    pub mutable: bool,
}

/// A function of the file.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub name: String,
    pub arity: usize,
    pub is_method: bool,
    pub range: Range<usize>,
}

/// All that is known of the names of a file.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub bindings: Vec<Binding>,
    pub functions: Vec<Known>,
    /// Bytes of classes and their fields.
    pub classes: Vec<(Range<usize>, BTreeMap<String, bool>)>,
    /// Every member's name, how often it is used, and whether it is called.
    pub members: BTreeMap<String, (usize, bool)>,
    /// Members by the text of their object.
    pub members_of: HashMap<String, BTreeMap<String, bool>>,
    /// Shape of an expression's text, by the start of the function that it is in.
    shapes: HashMap<(usize, String), u16>,
    /// String literals as they are written, and how often.
    pub strings: BTreeMap<String, usize>,
    /// Character literals with their quotes, and how often each is there.
    pub characters: BTreeMap<String, usize>,
    /// Every identifier, and how often.
    pub words: BTreeMap<String, usize>,
}

impl Names {
    pub fn of(view: View<'_>, tree: &Tree) -> Self {
        let mut names = Self::default();
        let whole = 0..view.text.len();
        each_node(tree.root_node(), &mut |node| names.visit(view, node, &whole));
        names.bindings.sort_by(|a, b| (a.scope.len(), a.from, &a.name).cmp(&(b.scope.len(), b.from, &b.name)));
        names
    }

    /// The bindings known at `byte`, innermost first, each name once.
    pub fn visible(&self, byte: usize) -> Vec<&Binding> {
        let mut found: Vec<&Binding> = Vec::new();
        for binding in &self.bindings {
            let known = binding.scope.contains(&byte)
                && (binding.from <= byte || binding.around.as_ref().is_some_and(|around| around.contains(&byte)));
            if known && found.iter().all(|other| other.name != binding.name) {
                found.push(binding);
            }
        }
        found
    }

    /// What is known of the value of `text` inside the function that starts at `function`.
    pub fn shape(&self, function: usize, text: &str) -> u16 {
        let own = self.shapes.get(&(function, text.to_owned())).copied().unwrap_or(0);
        if own != 0 || !text.contains('.') {
            return own;
        }
        self.shapes.get(&(usize::MAX, text.to_owned())).copied().unwrap_or(0)
    }

    fn note(&mut self, view: View<'_>, node: Node<'_>, shape: u16) {
        let node = view.unwrap_parens(node);
        if shape == 0 || !matches!(view.role(node), Role::Ident | Role::Member | Role::Index) {
            return;
        }
        let text = view.of(node);
        if text.len() > 60 {
            return;
        }
        let function = view.function(node).map_or(0, |function| function.start_byte());
        *self.shapes.entry((function, text.to_owned())).or_insert(0) |= shape;
        if view.role(node) == Role::Member {
            *self.shapes.entry((usize::MAX, text.to_owned())).or_insert(0) |= shape;
        }
    }

    fn bind(&mut self, name: &str, origin: Origin, scope: Range<usize>, from: usize, around: Option<Range<usize>>) {
        if name.is_empty() || name == "_" {
            return;
        }
        self.bindings.push(Binding { name: name.to_owned(), origin, scope, from, around, mutable: true });
    }

    fn visit(&mut self, view: View<'_>, node: Node<'_>, whole: &Range<usize>) {
        if !node.is_named() {
            return;
        }
        if node.child_count() == 0 && node.kind().ends_with("identifier") {
            *self.words.entry(view.of(node).to_owned()).or_insert(0) += 1;
        }
        match view.role(node) {
            Role::Function | Role::Lambda => self.function(view, node, whole),
            Role::Class | Role::Type => self.class(view, node, whole),
            Role::Import => self.import(view, node, whole),
            Role::Assign | Role::Declarator => self.assignment(view, node, whole),
            Role::ForEach | Role::ForIn => self.loop_names(view, node),
            Role::As => self.aliases(view, node),
            Role::Case => self.case(view, node),
            Role::Member => self.member(view, node),
            Role::Str => {
                let text = view.of(node);
                if text.len() <= 40 && !text.contains('\n') && node.named_child_count() <= 3 {
                    *self.strings.entry(text.to_owned()).or_insert(0) += 1;
                }
            }
            _ => {}
        }
        if is_character(node) {
            *self.characters.entry(view.of(node).to_owned()).or_insert(0) += 1;
        }
        self.evidence(view, node);
        if matches!(
            node.kind(),
            "field_declaration" | "enum_variant" | "property_signature" | "public_field_definition" | "enum_constant"
        ) && let Some(name) = node.child_by_field_name("name")
        {
            self.members.entry(view.of(name).to_owned()).or_insert((1, false));
        }
    }

    fn function(&mut self, view: View<'_>, node: Node<'_>, whole: &Range<usize>) {
        let body_from = view.body(node).map_or(node.start_byte(), |body| body.start_byte());
        let mut arity = 0;
        for field in ["parameters", "parameter", "receiver"] {
            let Some(list) = node.child_by_field_name(field) else { continue };
            let mut found = Vec::new();
            pattern_names(view, list, &mut found);
            if field != "receiver" {
                arity += found.iter().filter(|name| !matches!(view.of(**name), "self" | "cls")).count();
            }
            for name in found {
                self.annotation(view, name, node);
                if !matches!(view.of(name), "self" | "cls" | "this") {
                    self.bind(
                        view.of(name),
                        Origin::Parameter,
                        node.byte_range(),
                        body_from.min(name.end_byte()),
                        None,
                    );
                }
            }
        }
        let Some(name) = node.child_by_field_name("name") else { return };
        let owner = view.ancestor(node, |role| matches!(role, Role::Function | Role::Class));
        let is_method =
            owner.is_some_and(|owner| view.role(owner) == Role::Class) || node.kind() == "method_declaration";
        let name = view.of(name);
        self.functions.push(Known { name: name.to_owned(), arity, is_method, range: node.byte_range() });
        if is_method {
            self.members.entry(name.to_owned()).or_insert((0, true)).1 = true;
            if view.language == Language::Java
                && let Some(owner) = owner
            {
                self.bind(name, Origin::Function, owner.byte_range(), 0, None);
            }
        } else {
            let scope = owner.map_or(whole.clone(), |owner| owner.byte_range());
            self.bind(name, Origin::Function, scope, 0, None);
        }
    }

    fn class(&mut self, view: View<'_>, node: Node<'_>, whole: &Range<usize>) {
        let Some(name) = node.child_by_field_name("name").or_else(|| node.child_by_field_name("type")) else { return };
        if node.child_by_field_name("body").is_none() && view.role(node) == Role::Type {
            return;
        }
        self.bind(view.of(name), Origin::Class, whole.clone(), 0, None);
        if view.role(node) == Role::Class {
            self.classes.push((node.byte_range(), BTreeMap::new()));
        }
    }

    fn import(&mut self, view: View<'_>, node: Node<'_>, whole: &Range<usize>) {
        if node.kind().contains("global") || node.kind().contains("nonlocal") || node.kind() == "package_clause" {
            return;
        }
        let mut found: Vec<String> = Vec::new();
        each_node(node, &mut |inner| match inner.kind() {
            "identifier" | "type_identifier" | "package_identifier" => found.push(view.of(inner).to_owned()),
            "interpreted_string_literal" => {
                let path = view.of(inner).trim_matches('"');
                found.push(path.rsplit('/').next().unwrap_or(path).to_owned());
            }
            _ => {}
        });
        for name in found {
            self.bind(&name, Origin::Import, whole.clone(), 0, None);
        }
    }

    /// Where a name bound in `node` is known: the function in Python, the block elsewhere.
    fn scope_of(view: View<'_>, node: Node<'_>) -> (Range<usize>, Option<Range<usize>>, Origin) {
        let around = view.ancestor(node, Role::is_loop).map(|at| at.byte_range());
        let function = view.function(node);
        if view.language == Language::Python {
            let class = view.ancestor(node, |role| role == Role::Class);
            return match (function, class) {
                (Some(function), _) => (function.byte_range(), around, Origin::Local),
                (None, _) => (0..view.text.len(), around, Origin::Global),
            };
        }
        let in_head = view.ancestor(node, |role| {
            matches!(
                role,
                Role::Block | Role::ForC | Role::ForEach | Role::If | Role::Function | Role::Try | Role::Switch
            )
        });
        let hoisted = node.parent().is_some_and(|parent| parent.kind() == "variable_declaration");
        let scope = match (in_head, function) {
            (_, Some(function)) if hoisted => function.byte_range(),
            // the block of a `if` or of a `for` head: the whole statement
            (Some(at), _) => at.byte_range(),
            _ => 0..view.text.len(),
        };
        let origin = if function.is_some() { Origin::Local } else { Origin::Global };
        // a binding in a block is new in each turn of the loop around the block
        let around = if hoisted || node.kind() == "assignment_expression" { around } else { None };
        (scope, around, origin)
    }

    fn assignment(&mut self, view: View<'_>, node: Node<'_>, whole: &Range<usize>) {
        let declares = view.role(node) == Role::Declarator || view.language == Language::Python;
        let Some(left) = view.field(node, &["left", "name", "pattern", "property"]) else { return };
        if let Some((_, right)) = view.assignment(node) {
            let known = self.shape_of(view, right);
            self.note(view, view.only(left), known);
            // `seen, out = set(), []`
            let (targets, values) = (view.children(left), view.children(right));
            if matches!(view.role(left), Role::Pattern | Role::Tuple) && targets.len() == values.len() {
                for (target, value) in targets.into_iter().zip(values) {
                    let known = self.shape_of(view, value);
                    self.note(view, target, known);
                }
            }
        }
        if !declares {
            return;
        }
        let class = view.ancestor(node, |role| matches!(role, Role::Class | Role::Function));
        if let Some(class) = class.filter(|class| view.role(*class) == Role::Class) {
            let name = view.of(left).to_owned();
            self.members.entry(name.clone()).or_insert((1, false));
            if let Some((_, fields)) = self.classes.iter_mut().find(|(range, _)| *range == class.byte_range()) {
                fields.insert(name.clone(), false);
            }
            if view.language == Language::Java {
                self.bind(&name, Origin::Field, class.byte_range(), 0, None);
                self.java_type(view, node, left);
            }
            if view.language != Language::Rust {
                return;
            }
        }
        let (scope, around, origin) = Self::scope_of(view, node);
        let mut found = Vec::new();
        pattern_names(view, left, &mut found);
        // a closure is known to itself
        let value = view
            .assignment(node)
            .map(|(_, value)| value)
            .filter(|value| matches!(view.role(*value), Role::Function | Role::Lambda));
        let is_script = matches!(view.language, Language::JavaScript | Language::TypeScript | Language::Tsx);
        let after = value.filter(|_| is_script).map_or(node.end_byte(), |value| value.start_byte());
        let from = if origin == Origin::Global && scope == *whole { 0 } else { after };
        let is_const = node.parent().is_some_and(|parent| view.of(parent).starts_with("const "))
            || view.language == Language::Rust;
        let is_mut = |name: &Node<'_>| view.text[..name.start_byte()].trim_end().ends_with("mut");
        for name in found {
            self.annotation(view, name, node);
            if name.parent().is_some_and(|parent| matches!(parent.kind(), "list_splat_pattern" | "rest_pattern")) {
                self.note(view, name, shape::SEQ);
            }
            self.bind(view.of(name), origin, scope.clone(), from, around.clone());
            if let Some(last) = self.bindings.last_mut() {
                last.mutable = !is_const || is_mut(&name);
            }
        }
        self.java_type(view, node, left);
    }

    fn java_type(&mut self, view: View<'_>, declarator: Node<'_>, name: Node<'_>) {
        if let Some(annotated) = declarator.parent().and_then(|parent| parent.child_by_field_name("type")) {
            let known = shape_of_type(view.of(annotated));
            self.note(view, name, known);
        }
    }

    fn loop_names(&mut self, view: View<'_>, node: Node<'_>) {
        let Some(left) = view.field(node, &["left", "name", "pattern"]) else { return };
        let mut found = Vec::new();
        pattern_names(view, left, &mut found);
        let is_clause = view.role(node) == Role::ForIn;
        let scope = match node.parent().filter(|_| is_clause) {
            Some(parent) => parent.byte_range(),
            None if view.language == Language::Python => {
                view.function(node).map_or(0..view.text.len(), |at| at.byte_range())
            }
            None => node.byte_range(),
        };
        let from = if is_clause && view.language == Language::Python { scope.start } else { left.end_byte() };
        let source = view.field(node, &["right", "value"]);
        let counts = source.is_some_and(|source| {
            let called = view.called(source);
            view.role(source) == Role::Range || view.words().words.ranges.contains(&called) || called == "enumerate"
        }) || view.language == Language::Go;
        let elements =
            source.map_or(0, |source| if self.shape_of(view, source) == shape::STR { shape::STR } else { 0 });
        if let Some(source) =
            source.filter(|source| view.role(*source) == Role::Ident || view.role(*source) == Role::Member)
        {
            self.note(view, source, shape::SEQ);
        }
        for (at, name) in found.iter().enumerate() {
            self.bind(view.of(*name), Origin::LoopVariable, scope.clone(), from, None);
            self.note(view, *name, if counts && at == 0 { shape::NUM } else { elements });
        }
        if let Some(annotated) = node.child_by_field_name("type") {
            self.note(view, left, shape_of_type(view.of(annotated)));
        }
    }

    /// `with f as x`, `except E as x`, `if let Some(x) = y`.
    fn aliases(&mut self, view: View<'_>, node: Node<'_>) {
        let Some(target) = view.field(node, &["alias", "pattern"]) else { return };
        let mut found = Vec::new();
        pattern_names(view, target, &mut found);
        let around = view.ancestor(node, |role| matches!(role, Role::If | Role::While | Role::Function | Role::Case));
        let scope = match view.language {
            Language::Python => view.function(node).map_or(0..view.text.len(), |at| at.byte_range()),
            _ => around.map_or(0..view.text.len(), |at| at.byte_range()),
        };
        for name in found {
            self.bind(view.of(name), Origin::Local, scope.clone(), node.end_byte(), None);
        }
    }

    /// `Some(x) => …`, `catch (e) { … }`.
    fn case(&mut self, view: View<'_>, node: Node<'_>) {
        for field in ["pattern", "parameter"] {
            let Some(target) = node.child_by_field_name(field) else { continue };
            let mut found = Vec::new();
            pattern_names(view, target, &mut found);
            for name in found {
                self.bind(view.of(name), Origin::Local, node.byte_range(), target.end_byte(), None);
            }
        }
        if let Some(caught) = view.children(node).first().filter(|child| child.kind() == "catch_formal_parameter")
            && let Some(name) = caught.child_by_field_name("name")
        {
            self.bind(view.of(name), Origin::Local, node.byte_range(), caught.end_byte(), None);
        }
    }

    fn member(&mut self, view: View<'_>, node: Node<'_>) {
        let Some((object, property)) = view.member(node) else { return };
        let is_called = node.parent().is_some_and(|parent| {
            view.role(parent) == Role::Call
                && parent.child_by_field_name("function").is_some_and(|called| called.id() == node.id())
        });
        let name = view.of(property);
        let entry = self.members.entry(name.to_owned()).or_insert((0, is_called));
        entry.0 += 1;
        let object_text = view.of(object);
        if object_text.len() <= 40 {
            self.members_of.entry(object_text.to_owned()).or_default().entry(name.to_owned()).or_insert(is_called);
        }
        if view.words().words.this.contains(&object_text)
            && let Some(class) = view.ancestor(node, |role| role == Role::Class)
            && let Some((_, fields)) = self.classes.iter_mut().find(|(range, _)| *range == class.byte_range())
        {
            fields.entry(name.to_owned()).or_insert(is_called);
        }
        self.note(view, object, shape_of_receiver(name));
    }

    /// `x: int`, `x int`, `int x`.
    fn annotation(&mut self, view: View<'_>, name: Node<'_>, function: Node<'_>) {
        let mut at = Some(name);
        while let Some(node) = at.filter(|node| node.id() != function.id()) {
            if let Some(annotated) = node.child_by_field_name("type") {
                let known = shape_of_type(view.of(annotated).trim_start_matches([':', ' ']));
                if known != 0 {
                    let start = if matches!(view.role(function), Role::Function | Role::Lambda) {
                        function.start_byte()
                    } else {
                        view.function(function).map_or(0, |at| at.start_byte())
                    };
                    *self.shapes.entry((start, view.of(name).to_owned())).or_insert(0) |= known;
                }
                return;
            }
            at = node.parent();
        }
        if view.role(function) == Role::Declarator
            && let Some(annotated) = function.child_by_field_name("type")
        {
            self.note(view, name, shape_of_type(view.of(annotated)));
        }
    }

    /// What a use says of what is used.
    fn evidence(&mut self, view: View<'_>, node: Node<'_>) {
        match view.role(node) {
            Role::Binary => {
                for binary in view.binaries(node) {
                    let Some(operator) = view.words().operator(&view.text[binary.at.clone()]) else { continue };
                    let (left, right) = (self.shape_of(view, binary.left), self.shape_of(view, binary.right));
                    let (for_left, for_right) = match operator.class {
                        OperatorClass::Arithmetic if operator.text == "+" => {
                            (right & !shape::NULLABLE, left & !shape::NULLABLE)
                        }
                        OperatorClass::Arithmetic if matches!(operator.text, "*" | "%") => (0, shape::NUM),
                        OperatorClass::Arithmetic | OperatorClass::Bitwise => (shape::NUM, shape::NUM),
                        OperatorClass::Order => (right, left),
                        OperatorClass::Equality => (right, left),
                        OperatorClass::Membership => (0, shape::SEQ | shape::MAP | shape::STR),
                        _ => (0, 0),
                    };
                    self.note(view, binary.left, for_left);
                    self.note(view, binary.right, for_right);
                }
            }
            Role::AugAssign => {
                if let Some((left, right)) = view.assignment(node) {
                    let known = self.shape_of(view, right);
                    self.note(view, left, if view.operator_text(node) == "+=" { known } else { shape::NUM });
                }
            }
            Role::Update => {
                if let Some(inner) = view.children(node).first() {
                    self.note(view, *inner, shape::NUM);
                }
            }
            Role::Index => {
                if let Some((object, index)) = view.index(node) {
                    let known = self.shape_of(view, index);
                    let is_map = self.shape_of(view, object) & shape::MAP != 0;
                    if known == shape::STR {
                        self.note(view, object, shape::MAP);
                    } else if !is_map {
                        self.note(view, object, shape::SEQ);
                    }
                    if !is_map && known != shape::STR && view.role(index) == Role::Ident {
                        self.note(view, index, shape::NUM);
                    }
                }
            }
            Role::Call => {
                let called = view.called(node);
                if let Some(call) = view.call(node)
                    && call.receiver.is_none()
                    && let Some(name) = call.name
                {
                    self.note(view, name, shape::FUNC);
                }
                let arguments = view.arguments(node);
                match called {
                    "len" | "sorted" | "sum" | "enumerate" | "reversed" | "any" | "all" => {
                        if let [first, ..] = arguments[..] {
                            self.note(view, first, shape::SEQ);
                        }
                    }
                    "range" | "abs" | "floor" | "ceil" | "sqrt" => {
                        for argument in arguments {
                            self.note(view, argument, shape::NUM);
                        }
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// What is known of an expression's value.
    pub fn shape_of(&self, view: View<'_>, node: Node<'_>) -> u16 {
        let node = view.unwrap_parens(node);
        match view.role(node) {
            Role::Number | Role::Update => shape::NUM,
            Role::Str => shape::STR,
            Role::Bool | Role::Not => shape::BOOL,
            Role::Null => shape::NULLABLE,
            Role::List | Role::Tuple | Role::SetLit | Role::Slice => shape::SEQ,
            Role::Dict => {
                if view.language == Language::Go {
                    shape_of_type(view.of(node))
                } else {
                    shape::MAP
                }
            }
            Role::Comprehension => {
                if node.kind().starts_with("dict") {
                    shape::MAP
                } else {
                    shape::SEQ
                }
            }
            Role::Unary => match view.unary(node) {
                Some(("!", _)) => shape::BOOL,
                Some(("-" | "+" | "~", _)) => shape::NUM,
                _ => 0,
            },
            Role::Binary => match view.operator(node).map(|operator| (operator.class, operator.text)) {
                Some((OperatorClass::Arithmetic, "+" | "*")) => {
                    let parts = view.binaries(node);
                    parts
                        .first()
                        .map_or(0, |binary| self.shape_of(view, binary.left) | self.shape_of(view, binary.right))
                }
                Some((OperatorClass::Arithmetic | OperatorClass::Bitwise, _)) => shape::NUM,
                Some((OperatorClass::Order | OperatorClass::Equality | OperatorClass::Membership, _)) => shape::BOOL,
                Some((OperatorClass::Logical, _)) if view.words().has_types => shape::BOOL,
                Some((OperatorClass::Logical, _)) => {
                    let parts = view.binaries(node);
                    let both = |binary: &super::view::Binary<'_>| {
                        self.shape_of(view, binary.left) & self.shape_of(view, binary.right)
                    };
                    parts.first().map_or(0, both)
                }
                _ => 0,
            },
            Role::Call => shape_of_call(view.called(node)),
            Role::Cast => node.child_by_field_name("type").map_or(0, |target| shape_of_type(view.of(target))),
            Role::New => node
                .child_by_field_name("constructor")
                .or_else(|| node.child_by_field_name("type"))
                .map_or(0, |target| shape_of_type(view.of(target))),
            Role::Macro => {
                if view.of(node).starts_with("vec!") {
                    shape::SEQ
                } else if view.of(node).starts_with("format!") {
                    shape::STR
                } else {
                    0
                }
            }
            Role::Ident | Role::Member => {
                if matches!(view.of(node), name if name.ends_with(".length")) {
                    return shape::NUM;
                }
                let function = view.function(node).map_or(0, |function| function.start_byte());
                let own = self.shape(function, view.of(node));
                if own != 0 { own } else { self.shape(0, view.of(node)) }
            }
            _ => 0,
        }
    }
}

/// The identifiers that a pattern binds: no types, no defaults, no constructors.
pub(super) fn pattern_names<'t>(view: View<'_>, node: Node<'t>, found: &mut Vec<Node<'t>>) {
    match view.role(node) {
        Role::Type
        | Role::Decorator
        | Role::Comment
        | Role::Member
        | Role::Index
        | Role::Slice
        | Role::Call
        | Role::Path => return,
        Role::Ident => {
            let is_constructor =
                view.language == Language::Rust && view.of(node).starts_with(|c: char| c.is_uppercase());
            if !is_constructor {
                found.push(node);
            }
            return;
        }
        _ => {}
    }
    if node.kind() == "shorthand_property_identifier_pattern" || node.kind() == "shorthand_field_identifier" {
        found.push(node);
        return;
    }
    let mut cursor = node.walk();
    if !cursor.goto_first_child() {
        return;
    }
    loop {
        let skipped = matches!(cursor.field_name(), Some("value" | "right" | "type" | "default" | "condition" | "key"));
        if !skipped || (cursor.field_name() == Some("value") && node.kind() == "pair_pattern") {
            pattern_names(view, cursor.node(), found);
        }
        if !cursor.goto_next_sibling() {
            break;
        }
    }
}

/// From an annotation's text.
pub(super) fn shape_of_type(text: &str) -> u16 {
    let text = text.trim_start_matches([':', ' ', '&', '*', '\'']).trim_start_matches("mut ").trim_start_matches("a ");
    let head: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let base = match head.as_str() {
        "int" | "float" | "number" | "usize" | "isize" | "u8" | "u16" | "u32" | "u64" | "u128" | "i8" | "i16"
        | "i32" | "i64" | "i128" | "f32" | "f64" | "int64" | "int32" | "uint64" | "uint32" | "uint" | "float64"
        | "float32" | "byte" | "rune" | "long" | "double" | "short" | "Integer" | "Long" | "Double" | "Number"
        | "bigint" | "Decimal" => shape::NUM,
        "str" | "string" | "String" | "StringBuilder" => shape::STR,
        "bool" | "boolean" | "Boolean" => shape::BOOL,
        "list" | "List" | "Vec" | "VecDeque" | "Array" | "ArrayList" | "set" | "Set" | "HashSet" | "BTreeSet"
        | "tuple" | "Tuple" | "deque" | "Deque" | "LinkedList" | "ArrayDeque" | "Queue" | "PriorityQueue"
        | "Iterable" | "Sequence" | "Iterator" | "TreeSet" | "ReadonlyArray" | "Collection" => shape::SEQ,
        "dict" | "Dict" | "Map" | "HashMap" | "BTreeMap" | "map" | "TreeMap" | "Record" | "LinkedHashMap"
        | "WeakMap" => shape::MAP,
        "Optional" | "Option" => shape::NULLABLE,
        "Callable" | "fn" | "func" | "Function" => shape::FUNC,
        _ => 0,
    };
    if text.starts_with('[') || text.trim_end().ends_with("[]") {
        return shape::SEQ;
    }
    base
}

fn shape_of_call(name: &str) -> u16 {
    match name {
        "len" | "length" | "size" | "abs" | "int" | "sum" | "round" | "ord" | "floor" | "ceil" | "sqrt" | "pow"
        | "count" | "indexOf" | "parseInt" | "Number" | "charCodeAt" | "float" | "trunc" | "float64" | "int64" => {
            shape::NUM
        }
        "str" | "join" | "lower" | "upper" | "strip" | "toLowerCase" | "toUpperCase" | "trim" | "format" | "String"
        | "to_string" | "toString" | "chr" | "to_lowercase" | "substring" | "charAt" | "replace" | "Sprintf"
        | "TrimSpace" | "ToLower" | "valueOf" | "repeat" => shape::STR,
        "sorted" | "list" | "set" | "range" | "split" | "reversed" | "keys" | "values" | "items" | "filter" | "map"
        | "zip" | "enumerate" | "tuple" | "iter" | "into_iter" | "chars" | "bytes" | "rev" | "deque" | "Fields"
        | "toCharArray" | "append" | "with_capacity" => shape::SEQ,
        "dict" | "defaultdict" | "Counter" | "entries" => shape::MAP,
        "any" | "all" | "isinstance" | "bool" | "is_empty" | "isEmpty" | "contains" | "includes" | "has"
        | "startswith" | "endswith" | "some" | "every" | "startsWith" | "endsWith" | "starts_with" | "ends_with"
        | "is_some" | "is_none" | "equals" | "containsKey" | "contains_key" | "isdigit" | "HasPrefix" | "HasSuffix"
        | "__eq__" | "__ne__" | "__lt__" | "__le__" | "__gt__" | "__ge__" | "__contains__" | "__bool__" | "hasattr"
        | "callable" | "issubclass" | "issubset" | "issuperset" | "isdisjoint" | "exists" | "isfile" | "isdir"
        | "isalpha" | "isalnum" | "isspace" | "isupper" | "islower" | "matches" | "Contains" | "Equal"
        | "equalsIgnoreCase" => shape::BOOL,
        "get" | "find" | "first" | "last" | "next" | "checked_sub" | "checked_add" => shape::NULLABLE,
        _ if asks(name) => shape::BOOL,
        _ => 0,
    }
}

/// Does the function's name begin like a question: `isOpen`, `has_key`?
fn asks(name: &str) -> bool {
    let after = |word: &str| name.strip_prefix(word).and_then(|rest| rest.chars().next());
    ["is", "has", "can", "should", "Is", "Has", "Can"]
        .iter()
        .any(|word| after(word).is_some_and(|c| c == '_' || c.is_ascii_uppercase()))
}

/// From a member that something has.
fn shape_of_receiver(member: &str) -> u16 {
    match member {
        "append" | "push" | "pop" | "extend" | "sort" | "shift" | "unshift" | "popleft" | "appendleft" | "insert"
        | "reverse" | "forEach" | "push_back" | "pop_front" | "iter" | "size" | "reduce" | "some" | "every"
        | "filter" | "map" | "to_vec" | "add" | "addLast" | "swap" | "flat" | "splice" | "union" | "discard" => {
            shape::SEQ
        }
        "items" | "keys" | "values" | "setdefault" | "entries" | "set" | "get_or_insert" | "entry" | "contains_key"
        | "containsKey" | "getOrDefault" | "put" | "entrySet" | "keySet" => shape::MAP,
        "lower" | "upper" | "split" | "strip" | "startswith" | "endswith" | "isdigit" | "isalpha" | "isalnum"
        | "isspace" | "join" | "replace" | "toLowerCase" | "toUpperCase" | "trim" | "charAt" | "charCodeAt"
        | "startsWith" | "endsWith" | "substring" | "chars" | "as_bytes" | "to_lowercase" | "trim_end"
        | "split_whitespace" | "padStart" | "bytes" | "push_str" | "equalsIgnoreCase" | "toCharArray" => shape::STR,
        "abs" | "toFixed" | "powi" | "pow" | "saturating_sub" | "wrapping_add" | "checked_add" | "is_positive"
        | "min" | "max" => shape::NUM,
        "length" | "len" | "is_empty" | "isEmpty" | "slice" | "indexOf" | "includes" | "concat" => {
            shape::SEQ | shape::STR
        }
        "is_some" | "is_none" | "unwrap" | "unwrap_or" | "isPresent" | "orElse" | "as_ref" | "is_ok" => shape::NULLABLE,
        _ => 0,
    }
}

/// The node is a character in Rust, Go or Java.
pub(super) fn is_character(node: Node<'_>) -> bool {
    matches!(node.kind(), "char_literal" | "rune_literal" | "character_literal")
}

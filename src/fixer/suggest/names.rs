//! Unknown names: what a message says is missing, whatever the language, and what it may have meant.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::failure::text::pattern;

/// What kind of name is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A bare name: variable, function, class, module.
    Bare,
    /// A member of something: attribute, method, field.
    Member,
    /// Something that is imported from a module.
    Imported,
    /// A module itself.
    Module,
    /// A keyword argument.
    Keyword,
    /// A key of a mapping.
    Key,
}

/// A name that some message says is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// What kind.
    pub kind: Kind,
    /// The name.
    pub name: String,
    /// What it was looked for in: the module, the function, the type.
    pub within: Option<String>,
    /// What the tool says was meant.
    pub meant: Option<String>,
}

static SHAPES: LazyLock<Vec<(Kind, Regex)>> = LazyLock::new(|| {
    use Kind::{Bare, Imported, Key, Keyword, Member, Module};
    let meant = r#"(?:[.;,]? ?[Dd]id you mean:? ['"`]?(?<meant>[\w$.]+)['"`]?)?"#;
    let shape = |kind, source: &str| (kind, pattern(&source.replace("MEANT", meant)));
    vec![
        // Python
        shape(Bare, r"NameError: (?:name|free variable) '(?<name>\w+)' is not definedMEANT"),
        shape(
            Imported,
            r"ImportError: cannot import name '(?<name>\w+)' from (?:partially initialized module )?'(?<within>[\w.]+)'(?: \([^)]*\))?MEANT",
        ),
        shape(Module, r"ModuleNotFoundError: No module named '(?<name>[\w.]+)'"),
        shape(
            Member,
            r"AttributeError: (?:module|type object)? ?'(?<within>[\w.]+)'(?: object)? has no attribute '(?<name>\w+)'MEANT",
        ),
        shape(
            Keyword,
            r"TypeError: (?:[\w.<>]*\.)?(?<within>\w+)\(\) got an unexpected keyword argument '(?<name>\w+)'MEANT",
        ),
        shape(Key, r"KeyError: '(?<name>[^'\n]+)'"),
        // JavaScript, TypeScript
        shape(Bare, r"ReferenceError: (?<name>[\w$]+) is not defined"),
        shape(Member, r"TypeError: (?:\(0 , )?(?:[\w$.\[\]()]+\.)(?<name>[\w$]+)\)? is not a (?:function|constructor)"),
        shape(Bare, r"TypeError: (?<name>[\w$]+) is not a (?:function|constructor)"),
        shape(Imported, r"The requested module '(?<within>[^']+)' does not provide an export named '(?<name>[\w$]+)'"),
        shape(Module, r"Cannot find module '(?<name>\.{1,2}/[^'\n]+|/[^'\n]+)'"),
        shape(
            Imported,
            r#"TS2(?:305|724): (?:Module )?'?"(?<within>[^"]+)"'? has no exported member (?:named )?'(?<name>\w+)'MEANT"#,
        ),
        shape(Bare, r"TS2(?:304|552|503): Cannot find (?:name|namespace) '(?<name>\w+)'MEANT"),
        shape(Member, r"TS2(?:339|551): Property '(?<name>\w+)' does not exist on type '(?<within>[^'\n]+)'MEANT"),
        shape(
            Key,
            r"TS2(?:353|561): Object literal may only specify known properties, (?:but|and) '(?<name>\w+)' does not exist in type '(?<within>[^'\n]+)'MEANT",
        ),
        // Go
        shape(
            Member,
            r"(?:undefined: \w+\.|\.)(?<name>\w+) undefined \(type (?<within>[\w.*]+) has no field or method \w+(?:, but does have (?:method |field )?(?<meant>\w+))?\)",
        ),
        shape(Member, r"undefined: (?<within>\w+)\.(?<name>\w+)"),
        shape(Bare, r"undefined: (?<name>\w+)(?: \(but have (?<meant>\w+)\))?"),
        // Java (the lines after the message hold the name)
        shape(Bare, r"cannot find symbol(?:\n.*){0,3}?\n\s*(?:\[ERROR\]\s*)?symbol:\s+(?:variable|class) (?<name>\w+)"),
        shape(Member, r"cannot find symbol(?:\n.*){0,3}?\n\s*(?:\[ERROR\]\s*)?symbol:\s+method (?<name>\w+)"),
        // Ruby
        shape(Bare, r"undefined local variable or method [`'](?<name>\w+)'"),
        shape(Member, r"undefined method [`'](?<name>\w+)'"),
    ]
});

/// The unknown names of a message, each once, in the order in which they are found.
pub fn unknown(text: &str) -> Vec<Unknown> {
    let mut found: Vec<(usize, Unknown)> = Vec::new();
    for (kind, shape) in SHAPES.iter() {
        for captures in shape.captures_iter(text).take(8) {
            let at = captures.get(0).map_or(0, |m| m.start());
            let one = read(*kind, &captures);
            if !found.iter().any(|(_, known)| known.name == one.name) {
                found.push((at, one));
            }
        }
    }
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, one)| one).collect()
}

fn read(kind: Kind, captures: &Captures<'_>) -> Unknown {
    let part = |name: &str| captures.name(name).map(|m| m.as_str().to_owned());
    Unknown { kind, name: part("name").unwrap_or_default(), within: part("within"), meant: part("meant") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_every_language_name_what_is_unknown() {
        use Kind::{Bare, Imported, Key, Keyword, Member, Module};
        let table = [
            ("NameError: name 'totl' is not defined. Did you mean: 'total'?", Bare, "totl", None, Some("total")),
            ("NameError: name 'json' is not defined", Bare, "json", None, None),
            (
                "ImportError: cannot import name 'totl' from 'shop.cart' (/w/shop/cart.py)",
                Imported,
                "totl",
                Some("shop.cart"),
                None,
            ),
            ("ModuleNotFoundError: No module named 'shop.crat'", Module, "shop.crat", None, None),
            (
                "AttributeError: 'Cart' object has no attribute 'totl'. Did you mean: 'total'?",
                Member,
                "totl",
                Some("Cart"),
                Some("total"),
            ),
            ("AttributeError: module 'shop' has no attribute 'totl'", Member, "totl", Some("shop"), None),
            (
                "TypeError: total() got an unexpected keyword argument 'rat'. Did you mean 'rate'?",
                Keyword,
                "rat",
                Some("total"),
                Some("rate"),
            ),
            (
                "TypeError: Cart.__init__() got an unexpected keyword argument 'nam'",
                Keyword,
                "nam",
                Some("__init__"),
                None,
            ),
            ("KeyError: 'pric'", Key, "pric", None, None),
            ("ReferenceError: totl is not defined", Bare, "totl", None, None),
            ("TypeError: name.toUpperCas is not a function", Member, "toUpperCas", None, None),
            ("TypeError: totl is not a function", Bare, "totl", None, None),
            (
                "SyntaxError: The requested module './cart.js' does not provide an export named 'totl'",
                Imported,
                "totl",
                Some("./cart.js"),
                None,
            ),
            ("Error: Cannot find module './crat'", Module, "./crat", None, None),
            (
                "a.ts(1,2): error TS2552: Cannot find name 'totl'. Did you mean 'total'?",
                Bare,
                "totl",
                None,
                Some("total"),
            ),
            (
                "a.ts(1,2): error TS2724: '\"./cart\"' has no exported member named 'totl'. Did you mean 'total'?",
                Imported,
                "totl",
                Some("./cart"),
                Some("total"),
            ),
            (
                "error TS2551: Property 'totl' does not exist on type 'Cart'. Did you mean 'total'?",
                Member,
                "totl",
                Some("Cart"),
                Some("total"),
            ),
            ("./a.go:3:4: undefined: totl", Bare, "totl", None, None),
            (
                "./a.go:3:4: c.totl undefined (type Cart has no field or method totl, but does have method Total)",
                Member,
                "totl",
                Some("Cart"),
                Some("Total"),
            ),
            ("./a.go:3:4: undefined: strings.Uper", Member, "Uper", Some("strings"), None),
            (
                "A.java:3: error: cannot find symbol\n    totl = 1;\n    ^\n  symbol:   variable totl\n  location: class A",
                Bare,
                "totl",
                None,
                None,
            ),
        ];
        for (text, kind, name, within, meant) in table {
            let found = unknown(text);
            let one = found.first().unwrap_or_else(|| panic!("nothing in {text}"));
            let got = (one.kind, one.name.as_str(), one.within.as_deref(), one.meant.as_deref());
            assert_eq!(got, (kind, name, within, meant), "{text}");
        }
        assert!(unknown("AssertionError: assert 1 == 2").is_empty());
    }
}

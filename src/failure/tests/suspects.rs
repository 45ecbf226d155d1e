//! Suspects of small projects: who leads the list, and why.

use super::*;
use crate::failure::ChangedLines;
use crate::failure::scene::tests::suite;
use crate::suite::Runner;
use crate::suite::protected::Protected;

struct World {
    files: Vec<(&'static str, &'static str)>,
    changed: ChangedLines,
}

impl World {
    fn rank(&self, id: &str, message: &str) -> Vec<Suspect> {
        self.rank_of(Runner::Pytest, id, message)
    }

    fn rank_of(&self, runner: Runner, id: &str, message: &str) -> Vec<Suspect> {
        let suite = suite(runner);
        let paths: Vec<String> = self.files.iter().map(|(p, _)| (*p).to_string()).collect();
        let read = |path: &str| self.files.iter().find(|(p, _)| *p == path).map(|(_, t)| t.as_bytes().to_vec());
        let protected = Protected::new(&[]);
        let scene = Scene { suite: &suite, paths: &paths, read: &read, changed: &self.changed, protected: &protected };
        rank(&BTreeMap::from([(TestId(id.into()), message.into())]), &scene)
    }
}

const CART: &str = "def tax(p):\n    return p * 0.2\n\n\ndef total(p):\n    return p + tax(p)\n\n\ndef label(p):\n    return 'cart of things'\n";
const TEST: &str = "from shop.cart import total\n\n\ndef test_total():\n    assert total(10) == 12\n";

fn shop() -> World {
    World { files: vec![("shop/cart.py", CART), ("tests/test_cart.py", TEST)], changed: ChangedLines::default() }
}

#[test]
fn the_innermost_product_frame_is_the_first_suspect() {
    let trace = "tests/test_cart.py:5: in test_total\n    assert total(10) == 12\nshop/cart.py:6: in total\n    return p + tax(p)\nshop/cart.py:2: in tax\n    return p * 0.2\nE   TypeError: can't multiply";
    let found = shop().rank("tests/test_cart.py::test_total", trace);
    // total is on the stack and called by the assertion; tax is innermost: both lead, the test is last
    let names: Vec<_> = found.iter().map(|s| s.symbol.as_deref().unwrap_or("-")).collect();
    assert!(names[..2].contains(&"tax") && names[..2].contains(&"total"), "{found:?}");
    assert_eq!(found[0].score, 1.0);
    let test = found.iter().find(|s| s.file == "tests/test_cart.py").unwrap();
    assert!(test.score < found[1].score);
}

#[test]
fn an_assertion_without_trace_suspects_what_it_calls_not_its_neighbours() {
    let found =
        shop().rank("tests/test_cart.py::test_total", "tests/test_cart.py:5: in test_total\nE   assert 11 == 12");
    assert_eq!((found[0].file.as_str(), found[0].symbol.as_deref()), ("shop/cart.py", Some("total")), "{found:?}");
    assert_eq!((found[0].line, found[0].end_line), (5, 6));
    assert!(!found.iter().any(|s| s.symbol.as_deref() == Some("label")));
}

#[test]
fn changed_lines_raise_a_suspect_and_are_suspects_themselves() {
    let mut world = shop();
    world.changed.by_file.insert("shop/cart.py".into(), vec![(2, 2)]);
    let found = world.rank("tests/test_other.py::test_nothing", "E   assert 1 == 2");
    assert_eq!((found[0].symbol.as_deref(), found[0].reason.as_str()), (Some("tax"), "changed since base"));
    world.changed.by_file.insert("shop/cart.py".into(), vec![(6, 6)]);
    let found =
        world.rank("tests/test_cart.py::test_total", "tests/test_cart.py:5: in test_total\nE   assert 11 == 12");
    assert_eq!(found[0].symbol.as_deref(), Some("total"));
    assert!(found[0].reason.ends_with("· changed since base"), "{}", found[0].reason);
}

#[test]
fn a_compiler_error_names_its_code() {
    let world =
        World { files: vec![("src/lib.rs", "pub fn a() -> u8 {\n    b()\n}\n")], changed: ChangedLines::default() };
    let found = world.rank("build", "error[E0425]: cannot find function `b` in this scope\n --> src/lib.rs:2:5\n  |");
    assert_eq!(
        (found[0].line, found[0].symbol.as_deref(), found[0].reason.as_str()),
        (2, Some("a"), "compiler error E0425")
    );
}

#[test]
fn a_test_beside_the_code_is_no_suspect_but_says_what_it_calls() {
    let source = "pub fn half(n: i32) -> i32 {\n    n / 3\n}\n\npub fn other() {}\n\n#[cfg(test)]\nmod tests {\n    use super::*;\n\n    #[test]\n    fn halves() {\n        assert_eq!(half(4), 2);\n    }\n}\n";
    let world = World { files: vec![("src/lib.rs", source)], changed: ChangedLines::default() };
    let said =
        "thread 'tests::halves' panicked at src/lib.rs:13:9:\nassertion `left == right` failed\n  left: 1\n right: 2";
    let found = world.rank_of(Runner::CargoTest, "tests::halves", said);
    assert_eq!((found[0].symbol.as_deref(), found[0].line), (Some("half"), 1), "{found:?}");
    let test = found.iter().find(|s| s.line == 13).unwrap();
    assert!(test.reason.starts_with("the failing test") && test.score < 0.2, "{found:?}");
    assert!(!found.iter().any(|s| s.symbol.as_deref() == Some("other")), "{found:?}");
}

#[test]
fn where_the_compiler_says_that_a_value_was_moved_is_a_suspect_of_half_the_weight() {
    let body = "    let held = names;\n".to_owned() + &"    step();\n".repeat(20) + "    names.len();\n";
    let text: &'static str = format!("pub fn a(names: Vec<u8>) {{\n{body}}}\n").leak();
    let world = World { files: vec![("src/lib.rs", text)], changed: ChangedLines::default() };
    let error = "error[E0382]: borrow of moved value: `names`\n  --> src/lib.rs:23:5\n   |\n2  |     let held = names;\n   |                ----- value moved here\n...\n23 |     names.len();\n   |     ^^^^^ value borrowed here after move\n";
    let found = world.rank("(build)", error);
    let lines: Vec<usize> = found.iter().map(|s| s.line).collect();
    assert_eq!(lines, [23, 2], "{found:?}");
    assert!(found[0].score == 1.0 && (0.45..=0.55).contains(&found[1].score), "{found:?}");
}

#[test]
fn quoted_words_of_the_message_lead_to_their_line() {
    let found = shop().rank("tests/test_cart.py::test_x", "E   assert 'cart of things' == 'basket'");
    assert!(found.iter().any(|s| s.symbol.as_deref() == Some("label") && s.line == 10), "{found:?}");
}

#[test]
fn names_are_taken_apart_into_words() {
    assert_eq!(words_of("tests/a.py::test_totalWithDiscount[3]"), ["test", "total", "with", "discount"]);
    assert!(spelled("with_discount", &words_of("test_total_with_discount")));
    assert!(!spelled("with_tax", &words_of("test_total_with_discount")));
}

#[test]
fn imports_of_every_language_are_seen() {
    let table = [
        ("from shop.cart import total", Some("shop.cart")),
        ("import shop.cart as c", Some("shop.cart")),
        ("import { a } from '../src/cart.js'", Some("src/cart")),
        ("const c = require('./cart')", Some("cart")),
        ("use crate::cart::total;", Some("cart::total")),
        ("import static com.shop.Cart.total;", Some("com.shop.Cart.total")),
        ("x = 1", None),
    ];
    for (line, wanted) in table {
        assert_eq!(imported(line).as_deref(), wanted, "{line}");
    }
}

#[test]
fn at_most_thirty_suspects_are_kept_and_none_twice() {
    let source: String = (0..60).map(|n| format!("def f{n}():\n    return {n}\n")).collect();
    let trace: String =
        (0..60).map(|n| format!("a.py:{}: in f{n}\na.py:{}: in f{n}\n", n * 2 + 2, n * 2 + 2)).collect();
    let world = World { files: vec![("a.py", Box::leak(source.into_boxed_str()))], changed: ChangedLines::default() };
    let found = world.rank("t", &trace);
    assert!(found.len() <= MOST);
    let keys: BTreeSet<_> = found.iter().map(|s| (&s.file, &s.symbol)).collect();
    assert_eq!(keys.len(), found.len());
}

#[test]
fn a_go_test_is_found_in_its_package_though_the_trace_shows_a_helper_of_another_file() {
    let helper = "package human\n\nfunc (tl list) validate(t *T) {\n\tt.Errorf(\"no\")\n}\n";
    let test = "package human\n\nfunc TestCommas(t *T) {\n\tlist{{\"0\", Comma(0)}}.validate(t)\n}\n";
    let code = "package human\n\nfunc Comma(v int) string {\n\treturn \"\"\n}\n";
    let world = World {
        files: vec![
            ("big.go", "package human\n\nfunc Big() {}\n"),
            ("comma.go", code),
            ("comma_test.go", test),
            ("common_test.go", helper),
            ("english/words.go", "package english\n\nfunc Comma() {}\n"),
            ("english/words_test.go", "package english\n\nfunc TestPlural(t *T) { Comma() }\n"),
        ],
        changed: ChangedLines::default(),
    };
    let found = world.rank_of(Runner::Go, "example.org/human TestCommas", "common_test.go:4: no");
    let first = |found: &[Suspect]| (found[0].file.clone(), found[0].symbol.clone());
    assert_eq!(first(&found), ("comma.go".to_owned(), Some("Comma".to_owned())), "{found:?}");
    let found = world.rank_of(Runner::Go, "example.org/human/english TestPlural/a_b", "no trace");
    assert_eq!(first(&found), ("english/words.go".to_owned(), Some("Comma".to_owned())), "{found:?}");
}

#[test]
fn the_file_that_is_called_as_the_tests_file_is_a_suspect_and_what_stands_near_the_failing_line_more_so() {
    let far = "\n".repeat(40);
    let test = format!(
        "const c = require('../lib/c');\ntest('one', () => {{ c.far(); }});{far}test('two', () => {{\n  eq(c.near(), 1);\n}});\n"
    );
    let test: &'static str = Box::leak(test.into_boxed_str());
    let code = "function far() {}\nfunction near() {}\nfunction other() {}\n";
    let world = World {
        files: vec![("lib/a.js", "function more() {}\n"), ("lib/cart.js", code), ("test/cart.test.js", test)],
        changed: ChangedLines::default(),
    };
    let found = world.rank_of(Runner::Mocha, "test/cart.test.js > two", "    at x (test/cart.test.js:43:3)");
    let place =
        |symbol: Option<&str>| found.iter().position(|s| s.file == "lib/cart.js" && s.symbol.as_deref() == symbol);
    assert!(place(Some("near")) < place(Some("far")) && place(Some("far")).is_some(), "{found:?}");
    assert!(place(None).is_some() && !found.iter().any(|s| s.file == "lib/a.js"), "{found:?}");
    for (path, about) in [
        ("comma_test.go", "comma"),
        ("test/test-comma.js", "comma"),
        ("src/test/java/a/CommaTest.java", "comma"),
        ("tests/test_comma_list.py", "commalist"),
        ("src/comma-list.spec.ts", "commalist"),
        ("TestComma.java", "comma"),
        ("src/Testament.java", "testament"),
    ] {
        assert_eq!(subject(path), about, "{path}");
    }
}

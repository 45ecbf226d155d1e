//! Unknown names against small projects: the best proposal, file by file.

use super::super::names::unknown;
use super::super::proposal::sites;
use super::*;
use crate::failure::ChangedLines;
use crate::failure::scene::tests::suite;
use crate::suite::Runner;
use crate::suite::protected::Protected;

fn best(files: &[(&str, &str)], message: &str) -> BTreeMap<String, String> {
    let (suite, protected) = (suite(Runner::Pytest), Protected::new(&[]));
    let paths: Vec<String> = files.iter().map(|(p, _)| (*p).to_string()).collect();
    let read = |path: &str| files.iter().find(|(p, _)| *p == path).map(|(_, t)| t.as_bytes().to_vec());
    let changed = ChangedLines::default();
    let scene = Scene { suite: &suite, paths: &paths, read: &read, changed: &changed, protected: &protected };
    let product = Product::read(&scene);
    let at = sites(message, &scene);
    let mut found: Vec<Proposal> = unknown(message).iter().flat_map(|u| propose(u, &at, &scene, &product)).collect();
    found.sort_by(|a, b| b.rank.total_cmp(&a.rank));
    found.into_iter().next().unwrap_or_else(|| panic!("nothing for {message}")).files
}

fn check(files: &[(&str, &str)], message: &str, path: &str, wanted: &str) {
    let got = best(files, message);
    assert_eq!(got.get(path).map(String::as_str), Some(wanted), "{message}: {got:?}");
}

#[test]
fn a_misspelt_name_is_spelt_like_its_neighbour() {
    let files = [("shop.py", "def total(items):\n    return sum(itmes)\n")];
    check(
        &files,
        "shop.py:2: in total\n    return sum(itmes)\nE   NameError: name 'itmes' is not defined",
        "shop.py",
        "def total(items):\n    return sum(items)\n",
    );
}

#[test]
fn a_missing_module_of_the_standard_library_is_imported() {
    let files = [("shop.py", "\"\"\"Shop.\"\"\"\n\ndef load(text):\n    return json.loads(text)\n")];
    check(
        &files,
        "shop.py:4: in load\nE   NameError: name 'json' is not defined",
        "shop.py",
        "\"\"\"Shop.\"\"\"\nimport json\n\n\ndef load(text):\n    return json.loads(text)\n",
    );
}

#[test]
fn a_name_that_the_project_defines_elsewhere_is_imported() {
    let files = [
        ("src/shop/__init__.py", ""),
        ("src/shop/tax.py", "def tax(p):\n    return p\n"),
        ("src/shop/cart.py", "import math\n\n\ndef total(p):\n    return tax(p)\n"),
    ];
    check(
        &files,
        "src/shop/cart.py:5: in total\nE   NameError: name 'tax' is not defined",
        "src/shop/cart.py",
        "from shop.tax import tax\nimport math\n\n\ndef total(p):\n    return tax(p)\n",
    );
}

#[test]
fn a_name_that_tests_use_is_given_back_everywhere() {
    let files = [
        ("shop.py", "def totl(p):\n    return p\n\n\ndef twice(p):\n    return totl(p) * 2\n"),
        ("tests/test_shop.py", "from shop import total\n\n\ndef test_total():\n    assert total(1) == 1\n"),
    ];
    let message = "tests/test_shop.py:1: in <module>\n    from shop import total\nE   ImportError: cannot import name 'total' from 'shop' (/w/shop.py)";
    check(&files, message, "shop.py", "def total(p):\n    return p\n\n\ndef twice(p):\n    return total(p) * 2\n");
}

#[test]
fn a_name_that_moved_is_imported_in_its_old_home() {
    let files = [
        ("shop/__init__.py", ""),
        ("shop/cart.py", "def label():\n    return ''\n"),
        ("shop/sums.py", "def total(p):\n    return p\n"),
        ("tests/test_cart.py", "from shop.cart import total\n"),
    ];
    let message = "tests/test_cart.py:1: in <module>\n    from shop.cart import total\nE   ImportError: cannot import name 'total' from 'shop.cart' (/w/shop/cart.py)";
    check(&files, message, "shop/cart.py", "from shop.sums import total\n\ndef label():\n    return ''\n");
}

#[test]
fn a_misspelt_module_keyword_and_key_are_spelt_right() {
    let files =
        [("shop/__init__.py", ""), ("shop/rates.py", "RATE = 1\n"), ("shop/cart.py", "from shop.rate import RATE\n")];
    check(
        &files,
        "shop/cart.py:1: in <module>\nE   ModuleNotFoundError: No module named 'shop.rate'",
        "shop/cart.py",
        "from shop.rates import RATE\n",
    );
    let files = [(
        "shop.py",
        "def total(price, rate):\n    return price * rate\n\n\ndef all():\n    return total(price=1, rat=2)\n",
    )];
    check(
        &files,
        "shop.py:6: in all\nE   TypeError: total() got an unexpected keyword argument 'rat'",
        "shop.py",
        "def total(price, rate):\n    return price * rate\n\n\ndef all():\n    return total(price=1, rate=2)\n",
    );
    let files = [("shop.py", "def load():\n    return {'price': 1}\n\n\ndef total():\n    return load()['pric']\n")];
    check(
        &files,
        "shop.py:6: in total\nE   KeyError: 'pric'",
        "shop.py",
        "def load():\n    return {'price': 1}\n\n\ndef total():\n    return load()['price']\n",
    );
}

#[test]
fn javascript_names_methods_imports_and_exports_are_mended() {
    let files = [("src/a.js", "export function up(name) {\n  return name.toUpperCas();\n}\n")];
    check(
        &files,
        "TypeError: name.toUpperCas is not a function\n    at up (/w/src/a.js:2:15)",
        "src/a.js",
        "export function up(name) {\n  return name.toUpperCase();\n}\n",
    );
    let files = [
        ("src/a.js", "export function all(p) {\n  return tax(p);\n}\n"),
        ("src/lib/tax.js", "export function tax(p) {\n  return p;\n}\n"),
    ];
    check(
        &files,
        "ReferenceError: tax is not defined\n    at all (/w/src/a.js:2:3)",
        "src/a.js",
        "import { tax } from './lib/tax.js';\nexport function all(p) {\n  return tax(p);\n}\n",
    );
    let files = [
        ("src/a.js", "function tax(p) {\n  return p;\n}\n"),
        ("test/a.test.js", "import { tax } from '../src/a.js';\n"),
    ];
    let message = "file:///w/test/a.test.js:1\nimport { tax } from '../src/a.js';\n         ^^^\nSyntaxError: The requested module '../src/a.js' does not provide an export named 'tax'";
    check(&files, message, "src/a.js", "export function tax(p) {\n  return p;\n}\n");
}

#[test]
fn go_and_java_imports_are_added() {
    let files = [("a.go", "package a\n\nfunc Up(s string) string {\n\treturn strings.ToUpper(s)\n}\n")];
    check(
        &files,
        "./a.go:4:9: undefined: strings",
        "a.go",
        "package a\n\nimport \"strings\"\n\nfunc Up(s string) string {\n\treturn strings.ToUpper(s)\n}\n",
    );
    let files = [("src/A.java", "package a;\n\nclass A {\n    List<String> l;\n}\n")];
    let message = "src/A.java:4: error: cannot find symbol\n    List<String> l;\n    ^\n  symbol:   class List\n  location: class A";
    check(&files, message, "src/A.java", "package a;\nimport java.util.List;\n\nclass A {\n    List<String> l;\n}\n");
}

//! Tests of comparing tests.

use super::*;

const PY: &str = "import pytest\nfrom m import f\n\n\n@pytest.mark.parametrize('x,y', [(1, 2), (3, 4)])\ndef test_f(x, y):\n    r = f(x)\n    assert r == y\n\n\nclass TestG:\n    def test_a(self):\n        with pytest.raises(ValueError):\n            f(None)\n        assert f(0) == 1\n";
const JS: &str = "const { f } = require('./m');\ndescribe('f', () => {\n  it('adds', () => {\n    expect(f(1)).toBe(2);\n  });\n  it('fails', () => {\n    expect(() => f()).toThrow();\n  });\n});\n";

fn rules(path: &str, old: &str, from: &str, to: &str) -> Vec<&'static str> {
    assert!(old.contains(from), "{from}");
    harms(path, old.as_bytes(), old.replacen(from, to, 1).as_bytes()).into_iter().map(|h| h.0).collect()
}

#[test]
fn what_only_adds_to_tests_is_no_harm() {
    let py: &[(&str, &str)] = &[
        ("import pytest\n", "import os\nimport pytest\n"),
        ("from m import f\n", "from m import f, g\n"),
        ("class TestG:\n", "def test_new():\n    assert f(9) == 10\n\n\nclass TestG:\n"),
        ("    assert r == y\n", "    assert r == y\n    assert r > 0\n"),
        ("(3, 4)]", "(3, 4), (5, 6)]"),
        ("        assert f(0) == 1\n", "        # zero\n        assert f(0) == 1\n"),
        (
            "class TestG:\n",
            "@pytest.mark.skipif(True, reason='x')\ndef test_new():\n    assert f(9) == 10\n\n\nclass TestG:\n",
        ),
        ("    r = f(x)\n", "    r  =  f( x )\n    \n"),
    ];
    for (from, to) in py.iter().take(7) {
        assert_eq!(rules("test_m.py", PY, from, to), [] as [&str; 0], "{to}");
    }
    let js: &[(&str, &str)] = &[
        ("  it('fails'", "  it('new', () => { expect(f(5)).toBe(6); });\n  it('fails'"),
        ("    expect(f(1)).toBe(2);\n", "    expect(f(1)).toBe(2);\n    expect(f(2)).toBe(3);\n"),
    ];
    for (from, to) in js {
        assert_eq!(rules("m.test.js", JS, from, to), [] as [&str; 0], "{to}");
    }
}

#[test]
fn every_way_to_harm_a_test_has_its_name() {
    let py: &[(&str, &str, &str)] = &[
        ("@pytest.mark.param", "@pytest.mark.skip\n@pytest.mark.param", "skip-added"),
        ("class TestG:\n", "@pytest.mark.xfail\nclass TestG:\n", "skip-added"),
        ("from m import f\n", "from m import f\npytestmark = pytest.mark.skip('x')\n", "skip-added"),
        ("    r = f(x)\n", "    pytest.skip('later')\n    r = f(x)\n", "skip-added"),
        ("    assert r == y\n", "    assert r == y or True\n", "assertion-changed"),
        ("    assert r == y\n", "    assert True\n", "assertion-changed"),
        ("    assert r == y\n", "", "assertion-changed"),
        ("    assert r == y\n", "    if r:\n        assert r == y\n", "assertion-changed"),
        ("    assert r == y\n", "    return\n    assert r == y\n", "test-cut-short"),
        ("        assert f(0) == 1\n", "        assert f(0) == 2\n", "assertion-changed"),
        ("    def test_a(self):\n", "    def a(self):\n", "test-removed"),
        ("(3, 4)]", "]", "test-changed"),
        ("    r = f(x)\n", "    r = y\n", "test-changed"),
        ("raises(ValueError)", "raises(Exception)", "assertion-changed"),
    ];
    for (from, to, rule) in py {
        assert!(rules("test_m.py", PY, from, to).contains(rule), "{to}: {:?}", rules("test_m.py", PY, from, to));
    }
    let js: &[(&str, &str, &str)] = &[
        ("it('adds'", "it.skip('adds'", "skip-added"),
        ("it('adds'", "xit('adds'", "skip-added"),
        ("it('fails'", "it.only('fails'", "skip-added"),
        ("describe('f'", "describe.skip('f'", "skip-added"),
        (".toBe(2)", ".toBeDefined()", "assertion-changed"),
        (".toBe(2)", ".toBe(3)", "assertion-changed"),
        ("    expect(f(1))", "    return;\n    expect(f(1))", "test-cut-short"),
    ];
    for (from, to, rule) in js {
        assert!(rules("m.test.js", JS, from, to).contains(rule), "{to}: {:?}", rules("m.test.js", JS, from, to));
    }
    assert_eq!(harms("spec/a_spec.rb", b"it 'x' do\n  a\nend\n", b"it 'x' do\nend\n")[0].0, "test-changed");
}

#[test]
fn tests_inside_rust_code_are_found_and_compared() {
    let old = "/// ```\n/// assert_eq!(f(1), 2);\n/// ```\npub fn f(x: u8) -> u8 { x + 1 }\n\n#[cfg(test)]\nmod tests {\n    use super::*;\n    #[test]\n    fn adds() {\n        assert_eq!(f(1), 2);\n    }\n}\n";
    let found = |new: &str| -> Vec<&'static str> {
        let (old, new) = (View::of("a.rs", old.as_bytes()).unwrap(), View::of("a.rs", new.as_bytes()).unwrap());
        inline_harms(&old, Some(&new), &[]).into_iter().map(|h| h.0).collect()
    };
    assert_eq!(found(&old.replace("x + 1", "x.wrapping_add(1)")), [] as [&str; 0]);
    assert_eq!(
        found(&old.replace("    #[test]\n", "    #[test]\n    fn new() { assert_eq!(f(2), 3); }\n    #[test]\n")),
        [] as [&str; 0]
    );
    assert_eq!(found(&old.replace("    #[test]\n", "    #[test]\n    #[ignore]\n")), ["skip-added"]);
    assert_eq!(
        found(&old.replace("        assert_eq!(f(1), 2);\n", "        assert_eq!(f(1), 3);\n")),
        ["assertion-changed"]
    );
    assert_eq!(found(&old.replace("#[cfg(test)]\nmod", "#[cfg(any())]\nmod")).first(), Some(&"test-removed"));
    assert_eq!(found(&old.replace("/// assert_eq!(f(1), 2);\n", "")), ["doctest-changed"]);
    assert_eq!(found(&old.replace("/// ```\n/// assert", "/// ```ignore\n/// assert")), ["doctest-changed"]);
    assert_eq!(found(""), ["test-removed", "assertion-changed", "doctest-changed"]);
}

#[test]
fn python_doctests_are_compared() {
    let old = "def f(x):\n    \"\"\"Adds.\n\n    >>> f(1)\n    2\n    \"\"\"\n    return x + 1\n";
    let found = |new: &str| -> Vec<&'static str> {
        let (old, new) = (View::of("a.py", old.as_bytes()).unwrap(), View::of("a.py", new.as_bytes()).unwrap());
        inline_harms(&old, Some(&new), &[]).into_iter().map(|h| h.0).collect()
    };
    assert_eq!(found(&old.replace("Adds.", "Adds one.")), [] as [&str; 0]);
    assert_eq!(found(&old.replace("    2\n", "    3\n")), ["doctest-changed"]);
    assert_eq!(found(&old.replace("f(1)\n", "f(1)  # doctest: +SKIP\n")), ["doctest-changed"]);
}

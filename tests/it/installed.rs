//! Python projects that are installed outside of the repository: their tests see the workspace, not the user's tree.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::Project;

const SHOP: &str = "from shop.rates import rate\n\n\ndef total(price, count):\n    return price - count * rate()\n";
const TESTS: &str = "\
from shop import total
from shop.rates import rate


def test_rate():
    assert rate() == 2


def test_total():
    assert total(3, 2) == 7


def test_more():
    assert total(10, 5) == 20


def test_none():
    assert total(4, 0) == 4
";

/// A project with a `src` folder whose `total` subtracts, and an environment beside the repository that has pytest.
fn shop() -> (Project, PathBuf) {
    let project = Project::empty();
    project.write("pyproject.toml", "[project]\nname = \"shop\"\nversion = \"1\"\n[tool.pytest.ini_options]\n");
    project.write("src/shop/__init__.py", SHOP);
    project.write("src/shop/rates.py", "def rate():\n    return 2\n");
    project.write("tests/test_shop.py", TESTS);
    project.commit("A shop");
    let environment = project.tmp().parent().unwrap().join("environment");
    let made = Command::new("python3")
        .args(["-m", "venv", "--without-pip", "--system-site-packages"])
        .arg(&environment)
        .status()
        .unwrap();
    assert!(made.success());
    (project, environment)
}

fn packages(environment: &Path) -> PathBuf {
    let lib = std::fs::read_dir(environment.join("lib")).unwrap().next().unwrap().unwrap().path();
    lib.join("site-packages")
}

fn heals(project: &Project, environment: &Path) {
    let python = environment.join("bin/python");
    let command = format!("'{}' -m pytest -q", python.display());
    let before = project.sacred();
    let (code, document) = project.heal(&["--cmd", &command, "--fixers", "mutate", "--time-limit", "120s"]);
    assert_eq!(code, 10, "{document:#}");
    let diff = std::fs::read_to_string(document["heal"]["patch"].as_str().unwrap()).unwrap();
    assert!(diff.contains("+    return price + count * rate()"), "{document:#}");
    project.unchanged_since(&before);
}

#[test]
fn a_project_that_a_path_file_elsewhere_leads_to_is_healed_as_it_is_in_the_workspace() {
    let (project, environment) = shop();
    let line = format!("{}\n", project.root().join("src").display());
    std::fs::write(packages(&environment).join("__editable__.shop-1.pth"), line).unwrap();
    heals(&project, &environment);
}

#[test]
fn a_project_that_a_finder_elsewhere_leads_to_is_healed_as_it_is_in_the_workspace() {
    let (project, environment) = shop();
    let finder = format!(
        "import sys\nfrom importlib.util import spec_from_file_location\n\nMAPPING = {{'shop': {:?}}}\n\n\n\
         class Finder:\n    @classmethod\n    def find_spec(cls, name, path=None, target=None):\n        \
         if name in MAPPING:\n            folder = MAPPING[name]\n            return spec_from_file_location(\n                \
         name, folder + '/__init__.py', submodule_search_locations=[folder])\n\n\n\
         def install():\n    sys.meta_path.append(Finder)\n",
        project.root().join("src/shop")
    );
    let packages = packages(&environment);
    std::fs::write(packages.join("__editable___shop_1_finder.py"), finder).unwrap();
    let line = "import __editable___shop_1_finder; __editable___shop_1_finder.install()\n";
    std::fs::write(packages.join("__editable__.shop-1.pth"), line).unwrap();
    heals(&project, &environment);
}

#[test]
fn a_project_that_is_installed_as_a_copy_is_healed_as_it_is_in_the_workspace() {
    let (project, environment) = shop();
    let packages = packages(&environment);
    std::fs::create_dir_all(packages.join("shop")).unwrap();
    std::fs::copy(project.root().join("src/shop/__init__.py"), packages.join("shop/__init__.py")).unwrap();
    // made while it was installed: it is in no commit
    std::fs::rename(project.root().join("src/shop/rates.py"), packages.join("shop/rates.py")).unwrap();
    project.commit("The rates are made by the build");
    let dist = packages.join("shop-1.dist-info");
    std::fs::create_dir(&dist).unwrap();
    let origin = format!(
        "{{\"url\": \"file://{}\", \"dir_info\": {{}}}}",
        project.root().display().to_string().replace(' ', "%20")
    );
    std::fs::write(dist.join("direct_url.json"), origin).unwrap();
    std::fs::write(dist.join("RECORD"), "shop/__init__.py,,\nshop/rates.py,,\nshop-1.dist-info/RECORD,,\n").unwrap();
    heals(&project, &environment);
}

#[test]
fn programs_that_tests_start_and_hooks_of_the_environment_see_the_workspace_too() {
    let (project, environment) = shop();
    let packages = packages(&environment);
    std::fs::write(packages.join("shop.pth"), format!("{}\n", project.root().join("src").display())).unwrap();
    // the environment has a hook of its own, which must still run
    std::fs::write(packages.join("sitecustomize.py"), "import builtins\n\nbuiltins.shop_hook = True\n").unwrap();
    let test = "import subprocess\nimport sys\n\n\ndef run(code):\n    \
                return subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout.strip()\n\n\n\
                def test_rate():\n    assert run('import shop.rates; print(shop.rates.rate())') == '2'\n\n\n\
                def test_hook():\n    assert shop_hook and run('print(shop_hook)') == 'True'\n\n\n\
                def test_total():\n    assert run('import shop; print(shop.total(3, 2))') == '7'\n\n\n\
                def test_more():\n    assert run('import shop; print(shop.total(10, 5))') == '20'\n";
    project.write("tests/test_shop.py", test);
    project.commit("Tests from outside");
    heals(&project, &environment);
}

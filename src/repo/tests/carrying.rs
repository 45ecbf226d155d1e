//! Carrying build folders: what is found, how it is copied, and that nothing leaks back.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::scene::{Scene, assert_same};
use crate::repo::Workspace;
use crate::repo::carry::{self, Detected};

const PLENTY: u64 = 1 << 40;

fn detect(scene: &Scene, add: &[&str], skip: &[&str]) -> Detected {
    let own = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    carry::detect(&scene.repository(), &own(add), &own(skip), PLENTY).unwrap()
}

fn carried(detected: &Detected) -> Vec<&str> {
    detected.carry.folders.iter().filter_map(|f| f.path.to_str()).collect()
}

fn python_scene() -> Scene {
    let scene = Scene::named("my repo");
    scene.write(
        ".gitignore",
        b"target/\n.venv/\n*.egg-info/\n__pycache__/\n.env\n/_version.py\nnode_modules\n*.log\nserver.key\ngen/\n",
    );
    scene.write("pkg/__init__.py", b"").write("a.py", b"").commit("first");
    let root = scene.root.to_str().unwrap().to_owned();
    scene.write(".venv/pyvenv.cfg", b"home = /usr/bin\n");
    scene.write(".venv/bin/pytest", format!("#!{root}/.venv/bin/python\nimport pytest\n").as_bytes());
    scene.write(".venv/lib/site-packages/__editable__.x.pth", format!("{root}/src\n").as_bytes());
    scene.write("target/debug/x", b"\x7fELF\0").write("target/.rustc_info.json", b"{}");
    scene.write("target/debug/incremental/x-1/data", b"big").write("target/doc/index.html", b"x");
    scene.write("__pycache__/a.pyc", b"").write(".env", b"TOKEN=1").write("server.key", b"k").write("run.log", b"l");
    scene.write("gen/made.json", b"{}").write("gen/.env.local", b"TOKEN=1");
    scene.write("_version.py", b"v = 1\n").write("pkg/x.egg-info/PKG-INFO", b"x");
    scene
}

#[test]
fn build_folders_and_generated_sources_are_found_and_secrets_and_caches_are_not() {
    let scene = python_scene();
    let found = detect(&scene, &[], &[]);
    assert_eq!(carried(&found), [".venv", "_version.py", "gen", "pkg/x.egg-info", "target"]);
    let left: Vec<_> = found.left.iter().map(|l| l.path.to_str().unwrap()).collect();
    assert_eq!(left, [".env", "server.key"]);
    let configured = detect(&scene, &[".env", "../../etc", ".git/hooks", "no/such"], &["target", "x.egg-info"]);
    assert_eq!(carried(&configured), [".env", ".venv", "_version.py", "gen"]);
    let small = carry::detect(&scene.repository(), &[], &[], 0).unwrap();
    assert!(small.carry.folders.is_empty() && small.left.iter().any(|l| l.path == Path::new("target")));
}

#[test]
fn a_folder_that_ignores_itself_is_carried_whole_or_not_at_all_and_the_workspace_is_its_snapshot() {
    let scene = Scene::named("self ignoring");
    scene.write(".gitignore", b"node_modules/*\nweb/\nsrc/*.log\n");
    scene.write("src/a.py", b"").write("build/kept.txt", b"").commit("first");
    // as pytest, uv and virtualenv leave them
    scene.write(".pytest_cache/.gitignore", b"*\n").write(".pytest_cache/v/cache/lastfailed", b"{}");
    scene.write(".venv/.gitignore", b"*").write(".venv/pyvenv.cfg", b"home = /usr/bin\n").write(".venv/bin/x", b"x");
    scene.write("node_modules/left/index.js", b"").write("web/gen/made.json", b"{}").write("src/x.log", b"");
    scene.write("build/.gitignore", b"*\n").write("build/out/made.bin", b"x");
    let found = detect(&scene, &["web/gen"], &["web"]);
    assert_eq!(carried(&found), [".venv", "build/out", "node_modules", "web/gen"]);
    let store = scene.store();
    let snapshot = store.snapshot().unwrap();
    let workspace = Workspace::create(&store, &snapshot, "one", &found.carry).unwrap();
    assert!(workspace.path.join("web/gen/made.json").is_file() && workspace.path.join(".venv/bin/x").is_file());
    assert_eq!(workspace.tree_now().unwrap(), snapshot.tree);
    // what a run leaves beside it is taken away by a reset
    std::fs::write(workspace.path.join("web/new.txt"), "new").unwrap();
    workspace.reset().unwrap();
    assert!(workspace.path.join("web/gen/made.json").is_file() && !workspace.path.join("web/new.txt").exists());
    assert_eq!(workspace.tree_now().unwrap(), snapshot.tree);
}

#[test]
fn a_carried_environment_works_on_the_workspace_and_changes_do_not_leak_back() {
    let scene = python_scene();
    let root = scene.root.to_str().unwrap().to_owned();
    std::os::unix::fs::symlink(format!("{root}/a.py"), scene.root.join(".venv/inside")).unwrap();
    std::os::unix::fs::symlink("/usr/bin/env", scene.root.join(".venv/bin/outside")).unwrap();
    std::fs::hard_link(scene.root.join("target/debug/x"), scene.root.join("target/debug/y")).unwrap();
    let before = scene.everything();
    let store = scene.store();
    let snapshot = store.snapshot().unwrap();
    let carry = detect(&scene, &[], &[]).carry;
    let workspace = Workspace::create(&store, &snapshot, "w", &carry).unwrap();
    let (at, top) = (|path: &str| workspace.path.join(path), workspace.path.to_str().unwrap());
    let text = |path: &str| std::fs::read_to_string(at(path)).unwrap();
    assert!(text(".venv/bin/pytest").starts_with(&format!("#!{top}/.venv/bin/python")));
    assert_eq!(text(".venv/lib/site-packages/__editable__.x.pth"), format!("{top}/src\n"));
    assert_eq!(std::fs::read_link(at(".venv/inside")).unwrap(), at("a.py"));
    assert_eq!(std::fs::read_link(at(".venv/bin/outside")).unwrap(), Path::new("/usr/bin/env"));
    assert!(!at("target/debug/incremental").exists() && !at("target/doc").exists());
    assert!(at("gen/made.json").exists(), "{:?}", carry);
    assert!(!at("gen/.env.local").exists());
    let meta = |path: &Path| std::fs::metadata(path).unwrap();
    let (here, theirs) = (meta(&at("target/debug/x")), meta(&scene.root.join("target/debug/x")));
    assert_eq!((here.mtime(), here.mtime_nsec()), (theirs.mtime(), theirs.mtime_nsec()));
    assert_eq!(here.ino(), meta(&at("target/debug/y")).ino(), "hard links among themselves stay");
    assert_ne!(here.ino(), theirs.ino());
    assert_eq!(workspace.tree_now().unwrap(), snapshot.tree);
    // a run builds something, and something else that nobody ignores
    std::fs::write(at("target/debug/x"), "built").unwrap();
    std::fs::create_dir_all(at("node_modules/dep")).unwrap();
    std::fs::write(at("node_modules/dep/index.js"), "x").unwrap();
    std::fs::create_dir_all(at("dist")).unwrap();
    std::fs::write(at("dist/new.txt"), "x").unwrap();
    std::fs::remove_dir_all(at(".venv")).unwrap();
    assert_ne!(workspace.tree_now().unwrap(), snapshot.tree, "dist is not ignored");
    workspace.reset().unwrap();
    assert_eq!(text("target/debug/x"), "built");
    assert!(at("node_modules/dep/index.js").exists() && !at("dist").exists() && at(".venv/pyvenv.cfg").exists());
    assert_eq!(workspace.tree_now().unwrap(), snapshot.tree);
    let warm =
        Workspace::create(&store, &snapshot, "warm", &workspace.warm(Path::new("target")).unwrap().unwrap()).unwrap();
    assert_eq!(std::fs::read_to_string(warm.path.join("target/debug/x")).unwrap(), "built");
    let script = std::fs::read_to_string(warm.path.join(".venv/bin/pytest")).unwrap();
    assert!(script.starts_with(&format!("#!{}/.venv/bin/python", warm.path.display())), "{script}");
    drop((workspace, warm));
    assert_same(&before, &scene.everything());
}

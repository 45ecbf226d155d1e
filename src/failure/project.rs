//! What a project says of itself: its own modules and the packages that its manifests ask for.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use crate::failure::text::pattern;

/// The files of a tree and how to read them.
#[derive(Clone, Copy)]
pub struct Project<'a> {
    /// Every file, `/`-separated, relative to the top.
    pub paths: &'a [String],
    /// The content of one.
    pub read: &'a dyn Fn(&str) -> Option<Vec<u8>>,
}

impl std::fmt::Debug for Project<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Project").field("paths", &self.paths.len()).finish()
    }
}

/// Import names that differ from the name of their package on PyPI. Common knowledge; only these need a table.
const RENAMED: [(&str, &str); 16] = [
    ("yaml", "pyyaml"),
    ("bs4", "beautifulsoup4"),
    ("pil", "pillow"),
    ("sklearn", "scikit-learn"),
    ("cv2", "opencv-python"),
    ("dateutil", "python-dateutil"),
    ("dotenv", "python-dotenv"),
    ("attr", "attrs"),
    ("jwt", "pyjwt"),
    ("crypto", "pycryptodome"),
    ("serial", "pyserial"),
    ("git", "gitpython"),
    ("psycopg2", "psycopg2-binary"),
    ("mysqldb", "mysqlclient"),
    ("google", "google-api-core"),
    ("opentelemetry", "opentelemetry-api"),
];

/// Packages that nobody writes by accident: missing ones are missing, even when no manifest says so.
const WELL_KNOWN: [&str; 30] = [
    "numpy",
    "pandas",
    "scipy",
    "requests",
    "django",
    "flask",
    "fastapi",
    "pytest",
    "hypothesis",
    "sqlalchemy",
    "pydantic",
    "yaml",
    "matplotlib",
    "torch",
    "tensorflow",
    "sklearn",
    "bs4",
    "lxml",
    "boto3",
    "redis",
    "celery",
    "click",
    "jinja2",
    "aiohttp",
    "httpx",
    "attr",
    "psycopg2",
    "cryptography",
    "rich",
    "tqdm",
];

impl Project<'_> {
    fn text(&self, path: &str) -> String {
        (self.read)(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    fn named<'b>(&'b self, wanted: impl Fn(&str) -> bool + 'b) -> impl Iterator<Item = &'b String> + 'b {
        self.paths.iter().filter(move |p| wanted(p.rsplit('/').next().unwrap_or(p)))
    }

    /// A Python module or package of this name is somewhere in the tree.
    pub fn has_python_module(&self, name: &str) -> bool {
        let (file, stub, folder) = (format!("{name}.py"), format!("{name}.pyx"), format!("{name}/"));
        let inner = format!("/{folder}");
        self.paths.iter().any(|p| {
            let base = p.rsplit('/').next().unwrap_or(p);
            base == file || base == stub || (p.starts_with(&folder) || p.contains(&inner)) && p.ends_with(".py")
        })
    }

    /// The distributions that Python manifests ask for, lower case, `_` as `-`.
    pub fn python_requirements(&self) -> BTreeSet<String> {
        static NAME: LazyLock<Regex> =
            LazyLock::new(|| pattern(r#"(?m)^\s*["']?([A-Za-z][\w.-]*)(?:\[[^\]]*\])?\s*(?:["']|[=<>~!;,@]|$|#)"#));
        static QUOTED: LazyLock<Regex> =
            LazyLock::new(|| pattern(r#"["']([A-Za-z][\w.-]*)(?:\[[^\]]*\])?\s*(?:[=<>~!;@][^"']*)?["']"#));
        let is_manifest = |base: &str| {
            base.starts_with("requirements") && base.ends_with(".txt")
                || matches!(
                    base,
                    "pyproject.toml"
                        | "setup.cfg"
                        | "setup.py"
                        | "Pipfile"
                        | "environment.yml"
                        | "constraints.txt"
                        | "tox.ini"
                )
        };
        let mut names = BTreeSet::new();
        for path in self.named(is_manifest).take(50) {
            let text = self.text(path);
            for found in NAME.captures_iter(&text).chain(QUOTED.captures_iter(&text)) {
                names.insert(found[1].to_lowercase().replace(['_', '.'], "-"));
            }
        }
        names
    }

    /// A missing Python module that has to be installed: third-party for sure, and no misspelling of something near.
    /// The name of the distribution when it is one.
    pub fn missing_python_package(&self, module: &str) -> Option<String> {
        if module.contains('.') || module.is_empty() || self.has_python_module(module) {
            return None;
        }
        let lower = module.to_lowercase();
        let distribution = RENAMED.iter().find(|(import, _)| *import == lower).map_or(lower.as_str(), |(_, d)| d);
        let wanted = [distribution.replace('_', "-"), lower.replace('_', "-")];
        let asked = self.python_requirements();
        if wanted.iter().any(|name| asked.contains(name)) || WELL_KNOWN.contains(&lower.as_str()) {
            return Some(distribution.to_owned());
        }
        None
    }

    /// The npm packages that any package.json of the tree asks for.
    pub fn node_dependencies(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for path in self.named(|base| base == "package.json").take(100) {
            let Ok(manifest) = serde_json::from_str::<serde_json::Value>(&self.text(path)) else { continue };
            for section in ["dependencies", "devDependencies", "peerDependencies", "optionalDependencies"] {
                if let Some(asked) = manifest.get(section).and_then(|s| s.as_object()) {
                    names.extend(asked.keys().cloned());
                }
            }
        }
        names
    }

    /// The command that installs what package.json asks for.
    pub fn node_install(&self) -> &'static str {
        let has = |name: &str| self.named(|base| base == name).next().is_some();
        if has("pnpm-lock.yaml") {
            "pnpm install --frozen-lockfile"
        } else if has("yarn.lock") {
            "yarn install --frozen-lockfile"
        } else if has("package-lock.json") {
            "npm ci"
        } else {
            "npm install"
        }
    }

    /// The command that installs what the Python manifests ask for.
    pub fn python_install(&self, distribution: &str) -> String {
        let has = |name: &str| self.named(|base| base == name).next().cloned();
        if let Some(path) = has("requirements-dev.txt").or_else(|| has("requirements.txt")) {
            return format!("python -m pip install -r {path}");
        }
        if has("uv.lock").is_some() {
            return "uv sync".into();
        }
        if has("poetry.lock").is_some() {
            return "poetry install".into();
        }
        format!("python -m pip install {distribution}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_of_every_kind_are_read() {
        let paths = ["requirements.txt", "pyproject.toml", "package.json"].map(String::from);
        let read = |path: &str| {
            Some(match path {
                "requirements.txt" => b"requests==2.0\nPyYAML>=6 # yaml\n-r other.txt\n".to_vec(),
                "pyproject.toml" => {
                    b"dependencies = [\"numpy>=1\", 'typing_extensions']\n[tool.poetry.dependencies]\nrich = \"^13\"\n"
                        .to_vec()
                }
                _ => br#"{"dependencies": {"lodash": "4"}, "devDependencies": {"jest": "29"}}"#.to_vec(),
            })
        };
        let project = Project { paths: &paths, read: &read };
        let asked = project.python_requirements();
        for name in ["requests", "pyyaml", "numpy", "typing-extensions", "rich"] {
            assert!(asked.contains(name), "{name} in {asked:?}");
        }
        assert_eq!(project.node_dependencies(), BTreeSet::from(["lodash".into(), "jest".into()]));
        assert_eq!(project.missing_python_package("yaml").as_deref(), Some("pyyaml"));
        assert_eq!(project.missing_python_package("reqeusts"), None);
    }

    #[test]
    fn a_module_of_the_project_is_never_a_missing_package() {
        let paths = ["src/shop/cart.py", "tools/redis.py"].map(String::from);
        let project = Project { paths: &paths, read: &|_| None };
        assert_eq!(project.missing_python_package("shop"), None);
        assert_eq!(project.missing_python_package("redis"), None);
        assert_eq!(project.missing_python_package("numpy").as_deref(), Some("numpy"));
        assert_eq!(project.missing_python_package("numpy.nothing"), None);
    }
}

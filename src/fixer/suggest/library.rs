//! Where well-known names of the standard libraries live. Facts of their documentation, written down by hand.

/// Names of Python's standard library that are mostly imported by themselves: (module, names).
const PYTHON: [(&str, &str); 18] = [
    ("collections", "Counter OrderedDict defaultdict deque namedtuple ChainMap"),
    ("dataclasses", "dataclass field asdict astuple replace"),
    ("datetime", "datetime timedelta date timezone"),
    ("decimal", "Decimal ROUND_HALF_UP ROUND_HALF_EVEN"),
    ("enum", "Enum IntEnum Flag auto"),
    ("fractions", "Fraction"),
    ("functools", "lru_cache cached_property partial reduce wraps total_ordering cache"),
    ("itertools", "chain combinations permutations product groupby islice accumulate count cycle zip_longest"),
    ("math", "sqrt ceil floor pi log log2 log10 sin cos gcd isclose factorial inf"),
    ("operator", "itemgetter attrgetter"),
    ("pathlib", "Path PurePath"),
    ("typing", "Any Callable Dict Iterable Iterator List Optional Sequence Set Tuple Union TypeVar Generic Protocol"),
    ("contextlib", "contextmanager suppress ExitStack closing"),
    ("abc", "ABC abstractmethod"),
    ("copy", "deepcopy"),
    ("uuid", "uuid4"),
    ("statistics", "mean median stdev"),
    ("textwrap", "dedent"),
];

/// Modules of Python's standard library that code uses by name.
const PYTHON_MODULES: &str = "abc argparse array ast asyncio base64 bisect calendar cmath collections configparser contextlib copy csv ctypes dataclasses datetime decimal difflib enum errno fnmatch fractions functools gc getpass glob gzip hashlib heapq hmac html http inspect io ipaddress itertools json keyword linecache locale logging lzma math mimetypes multiprocessing operator os pathlib pickle platform pprint queue random re sched secrets select shelve shlex shutil signal socket sqlite3 ssl stat statistics string struct subprocess sys tempfile textwrap threading time timeit tokenize traceback types typing unicodedata unittest urllib uuid warnings weakref xml zipfile zlib zoneinfo";

/// Node's own modules.
const NODE_MODULES: &str = "assert buffer child_process cluster crypto dns events fs http http2 https net os path perf_hooks querystring readline stream tls url util v8 vm worker_threads zlib";

/// Go's packages by their last part, where that is not the whole path; and those where it is.
const GO_DEEP: [(&str, &str); 16] = [
    ("json", "encoding/json"),
    ("http", "net/http"),
    ("filepath", "path/filepath"),
    ("rand", "math/rand"),
    ("utf8", "unicode/utf8"),
    ("url", "net/url"),
    ("template", "text/template"),
    ("atomic", "sync/atomic"),
    ("exec", "os/exec"),
    ("hex", "encoding/hex"),
    ("base64", "encoding/base64"),
    ("sha256", "crypto/sha256"),
    ("big", "math/big"),
    ("csv", "encoding/csv"),
    ("ioutil", "io/ioutil"),
    ("heap", "container/heap"),
];
const GO_FLAT: &str = "fmt strings strconv errors os sort math time bytes sync regexp io bufio context unicode log reflect path testing flag slices maps cmp runtime hash";

/// Java classes by package.
const JAVA: [(&str, &str); 9] = [
    (
        "java.util",
        "ArrayDeque ArrayList Arrays Collection Collections Comparator Date Deque HashMap HashSet Iterator LinkedHashMap LinkedHashSet LinkedList List Locale Map NoSuchElementException Objects Optional PriorityQueue Queue Random Scanner Set Stack StringJoiner TreeMap TreeSet UUID",
    ),
    ("java.util.stream", "Collectors IntStream LongStream Stream"),
    ("java.util.function", "BiFunction BinaryOperator Consumer Function Predicate Supplier UnaryOperator"),
    ("java.util.concurrent", "ConcurrentHashMap ExecutorService Executors TimeUnit CompletableFuture"),
    ("java.util.regex", "Matcher Pattern"),
    ("java.math", "BigDecimal BigInteger RoundingMode"),
    ("java.io", "BufferedReader File IOException InputStream OutputStream UncheckedIOException"),
    ("java.nio.file", "Files Path Paths"),
    ("java.time", "Duration Instant LocalDate LocalDateTime ZonedDateTime"),
];

/// Methods of JavaScript's own types, for misspelt ones.
pub const JAVASCRIPT_METHODS: &str = "at charAt charCodeAt codePointAt concat endsWith entries every fill filter find findIndex findLast flat flatMap forEach from fromEntries getTime has hasOwnProperty includes indexOf isArray isInteger join keys lastIndexOf localeCompare map match matchAll padEnd padStart parse pop push reduce reduceRight repeat replace replaceAll reverse search shift slice some sort splice split startsWith stringify substring test then toFixed toISOString toLowerCase toString toUpperCase trim trimEnd trimStart unshift values assign abs ceil floor max min pow random round sqrt trunc";

/// Methods of Python's own types, for misspelt ones.
pub const PYTHON_METHODS: &str = "add append capitalize casefold center clear copy count decode difference discard encode endswith extend find format fromkeys get index insert intersection isalnum isalpha isdigit islower isspace issubset issuperset isupper items join keys ljust lower lstrip partition pop popitem remove replace reverse rfind rjust rsplit rstrip setdefault sort split splitlines startswith strip swapcase title translate union update upper values zfill";

fn has(list: &str, name: &str) -> bool {
    list.split(' ').any(|n| n == name)
}

/// The import lines that bring `name` into a Python module.
pub fn python(name: &str) -> Vec<String> {
    let mut found: Vec<String> = PYTHON
        .iter()
        .filter(|(_, names)| has(names, name))
        .map(|(module, _)| format!("from {module} import {name}"))
        .collect();
    if has(PYTHON_MODULES, name) {
        found.insert(0, format!("import {name}"));
    }
    found
}

/// Modules of Python's standard library.
pub fn python_modules() -> impl Iterator<Item = &'static str> {
    PYTHON_MODULES.split(' ')
}

/// Is it a module of node?
pub fn is_node_module(name: &str) -> bool {
    has(NODE_MODULES, name)
}

/// The import path of a Go package by its name.
pub fn go(name: &str) -> Option<&'static str> {
    let deep = GO_DEEP.iter().find(|(last, _)| *last == name).map(|(_, path)| *path);
    deep.or_else(|| GO_FLAT.split(' ').find(|n| *n == name))
}

/// The full name of a Java class.
pub fn java(name: &str) -> Option<String> {
    JAVA.iter().find(|(_, names)| has(names, name)).map(|(package, _)| format!("{package}.{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_names_have_a_home() {
        assert_eq!(python("json"), ["import json"]);
        assert_eq!(python("datetime"), ["import datetime", "from datetime import datetime"]);
        assert_eq!(python("sqrt"), ["from math import sqrt"]);
        assert!(python("basket").is_empty());
        assert_eq!(go("json"), Some("encoding/json"));
        assert_eq!(go("fmt"), Some("fmt"));
        assert_eq!(java("ArrayList").as_deref(), Some("java.util.ArrayList"));
        assert!(is_node_module("path") && !is_node_module("lodash"));
    }
}

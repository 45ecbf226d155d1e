//! How long a semantic look-up takes among 50,000 questions of 384 dimensions: `cargo bench --bench cache_lookup`.
#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use kaizen_ci::cache::{BuiltIn, Cache, Cost, Embedder, Entry, Key, Sqlite, Store, entry};

const ENTRIES: u32 = 50_000;
const LOOK_UPS: u32 = 2_000;

fn question(n: u32) -> String {
    let verbs = ["fail", "hang", "crash", "time out", "differ", "loop", "leak", "block"];
    let places = ["the login page", "the parser", "the cart", "the upload", "the report", "the scheduler", "the cache"];
    let verb = verbs[(n % 8) as usize];
    let place = places[(n / 8 % 7) as usize];
    format!("Why does test_{n} {verb} in {place} with error {}?", n % 97)
}

fn main() {
    let dir = tempfile::tempdir().expect("a folder");
    let key = |text: String| Key::new("sha256:bench").part("role", "diagnose").question(text);
    let store = Sqlite::open(dir.path()).expect("a store");
    let written_ms = entry::now_ms();
    let start = Instant::now();
    for n in 0..ENTRIES {
        let key = key(question(n));
        let entry = Entry {
            exact: key.exact(),
            scope: key.scope(BuiltIn.id()),
            model: key.model().to_owned(),
            vector: BuiltIn.embed(&question(n)).expect("a vector"),
            question: Some(question(n)),
            answer: "an answer".into(),
            cost: Cost::default(),
            written_ms,
            until_ms: written_ms + 3_600_000,
        };
        store.put(&entry).expect("written");
    }
    println!("{ENTRIES} entries written in {:.1?}", start.elapsed());
    let cache = Cache::new(Box::new(store), Box::new(BuiltIn));
    let start = Instant::now();
    let _ = cache.look_up(&key("Where do I begin?".into()));
    println!("first look-up (reads the scope into memory): {:.1?}", start.elapsed());
    let mut times: Vec<Duration> = Vec::new();
    let mut hits = 0;
    for n in 0..LOOK_UPS {
        // half of them paraphrases of what is kept, half new
        let text = question(n * 31 % ENTRIES + if n % 2 == 0 { 0 } else { ENTRIES });
        let key = key(text.replace("Why does", "What makes"));
        let start = Instant::now();
        hits += u32::from(cache.look_up(&key).is_some());
        times.push(start.elapsed());
    }
    times.sort();
    let at = |percent: usize| times[times.len() * percent / 100 - usize::from(percent == 100)];
    println!("{LOOK_UPS} look-ups, {hits} semantic hits: p50 {:.2?}, p99 {:.2?}, most {:.2?}", at(50), at(99), at(100));
}

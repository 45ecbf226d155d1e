//! The cache as its callers see it: hits, misses, single flight, time, trouble.

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::*;
use crate::cache::calibrate::{calibrate, read};
use crate::error::Error;

fn open(dir: &Path) -> Cache {
    let (cache, trouble) = Cache::open(dir, None);
    assert!(trouble.is_none(), "{trouble:?}");
    cache
}

fn key(question: &str) -> Key {
    Key::new("sha256:abc").part("role", "diagnose").part("temperature", 0.0).question(question)
}

fn answer(text: &str) -> Answer {
    let cost = Cost { tokens: 120, micro_dollars: 35 };
    Answer { text: text.into(), cost, keep: Keep::Short }
}

#[test]
fn an_equal_key_is_served_and_another_model_part_or_question_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    let fix = Key::new("sha256:abc").part("role", "fix");
    cache.keep(&fix, answer("patch"));
    let served = open(dir.path()).look_up(&fix).unwrap();
    assert_eq!(served, Served { text: "patch".into(), source: Source::Exact, saved: answer("").cost });
    assert_eq!(cache.look_up(&Key::new("sha256:def").part("role", "fix")), None, "a new digest");
    assert_eq!(cache.look_up(&fix.clone().part("temperature", 1)), None);
    assert_eq!(cache.look_up(&fix.question("patch?")), None);
}

#[test]
fn a_paraphrase_is_served_and_a_trap_or_another_scope_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    cache.keep(&key("Why does test_total fail with KeyError after the upgrade?"), answer("renamed"));
    let served = cache.look_up(&key("What makes test_total fail with KeyError after the upgrade?")).unwrap();
    assert_eq!(served.text, "renamed");
    assert!(matches!(served.source, Source::Semantic { .. }), "{served:?}");
    for trap in [
        "Why does test_tax fail with KeyError after the upgrade?",
        "Why does test_total fail with ValueError after the upgrade?",
        "Why does test_total fail with KeyError before the upgrade?",
        "Why does test_total not fail with KeyError after the upgrade?",
        "When does test_total fail with KeyError after the upgrade?",
    ] {
        assert_eq!(cache.look_up(&key(trap)), None, "{trap}");
    }
    let other = key("What makes test_total fail with KeyError after the upgrade?").part("role", "criticise");
    assert_eq!(cache.look_up(&other), None, "another role");
    // what another process wrote is found, too
    open(dir.path()).keep(&key("How do I run one test?"), answer("-k"));
    assert_eq!(cache.look_up(&key("How can I run one test?")).unwrap().text, "-k");
}

#[test]
fn an_answer_is_served_until_its_time_is_over() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Keep::Short.time_to_live(), Duration::from_secs(12 * 3600));
    assert_eq!(Keep::Long.time_to_live(), Duration::from_secs(48 * 3600));
    let cache = open(dir.path());
    cache.keep(&key("How do I run one test?"), answer("-k"));
    let store = Sqlite::open(dir.path()).unwrap();
    let exact = key("How do I run one test?").exact();
    let entry = store.get(&exact, 0).unwrap().unwrap();
    assert_eq!(entry.until_ms - entry.written_ms, 12 * 3600 * 1000);
    assert!(store.get(&exact, entry.until_ms - 1).unwrap().is_some());
    assert!(store.get(&exact, entry.until_ms).unwrap().is_none());
    assert!(store.questions(&entry.scope, 0, entry.until_ms).unwrap().0.is_empty());
    assert_eq!(store.collect_garbage(entry.until_ms - 1).unwrap(), 0);
    assert_eq!(store.collect_garbage(entry.until_ms).unwrap(), 1);
    assert_eq!(cache.look_up(&key("How do I run one test?")), None);
}

#[test]
fn counters_tell_hits_by_kind_and_what_they_saved() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    cache.keep(&key("How do I run one test?"), answer("-k"));
    cache.look_up(&key("How do I run one test?"));
    cache.look_up(&key("How can I run one test?"));
    cache.look_up(&key("How do I run two tests?"));
    cache.look_up(&Key::new("m"));
    let counters = Sqlite::open(dir.path()).unwrap().counters(entry::now_ms()).unwrap();
    let saved = Cost { tokens: 240, micro_dollars: 70 };
    assert_eq!(counters, Counters { exact: 1, semantic: 1, refused: 1, miss: 1, saved, entries: 1, expired: 0 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_identical_calls_in_flight_make_one_request() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    let asked = Arc::new(AtomicUsize::new(0));
    let calls = (0..64).map(|_| {
        let (cache, asked) = (cache.clone(), asked.clone());
        tokio::spawn(async move {
            let ask = || async move {
                asked.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok(answer("one"))
            };
            cache.answer(&key("why?"), ask).await.unwrap()
        })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().text, "one");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn errors_are_shared_by_those_who_wait_and_never_kept() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    let asked = AtomicUsize::new(0);
    let failing = || async {
        asked.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(Error::environment("the server said no"))
    };
    let key = key("why?");
    let (a, b) = tokio::join!(cache.answer(&key, failing), cache.answer(&key, failing));
    assert!(a.is_err() && b.is_err());
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let served = cache.answer(&key, || async { Ok(answer("yes")) }).await.unwrap();
    assert_eq!(served, Served { text: "yes".into(), source: Source::Asked, saved: Cost::default() });
    let again = cache.answer(&key, || async { Err(Error::internal("must not be asked")) }).await.unwrap();
    assert_eq!(again.source, Source::Exact);
}

#[tokio::test]
async fn when_the_call_that_asks_is_cancelled_the_next_asks() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    let first = tokio::spawn({
        let cache = cache.clone();
        async move { cache.answer(&key("why?"), std::future::pending::<Result<Answer>>).await.map(|_| ()) }
    });
    tokio::time::sleep(Duration::from_millis(30)).await;
    let key = key("why?");
    let second = cache.answer(&key, || async { Ok(answer("second")) });
    first.abort();
    let served = tokio::time::timeout(Duration::from_secs(5), second).await.unwrap().unwrap();
    assert_eq!(served.text, "second");
}

#[tokio::test]
async fn a_damaged_file_is_said_and_left_alone_and_the_heal_goes_on_without_a_cache() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cache.sqlite");
    std::fs::write(&file, "this is no database, but somebody's text".repeat(100)).unwrap();
    let before = std::fs::read(&file).unwrap();
    let (cache, trouble) = Cache::open(dir.path(), None);
    let trouble = trouble.unwrap();
    assert!(trouble.render().contains("cache.sqlite") && trouble.hint_text().unwrap().contains("mv "), "{trouble:?}");
    assert!(!cache.is_on());
    let served = cache.answer(&key("why?"), || async { Ok(answer("asked")) }).await.unwrap();
    assert_eq!(served.source, Source::Asked);
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn a_store_that_breaks_later_switches_the_cache_off_and_fails_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    rusqlite::Connection::open(dir.path().join("cache.sqlite")).unwrap().execute_batch("drop table entry").unwrap();
    for _ in 0..2 {
        let served = cache.answer(&key("why?"), || async { Ok(answer("asked")) }).await.unwrap();
        assert_eq!(served.source, Source::Asked);
        assert!(!cache.is_on());
    }
}

#[test]
fn several_processes_worth_of_writers_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for n in 0..4 {
            let cache = open(dir.path());
            scope.spawn(move || {
                for i in 0..25 {
                    cache.keep(&Key::new("m").part("n", n * 100 + i), answer("x"));
                }
                assert!(cache.is_on());
            });
        }
    });
    let counters = Sqlite::open(dir.path()).unwrap().counters(entry::now_ms()).unwrap();
    assert_eq!(counters.entries, 100);
}

#[test]
fn on_the_labelled_pairs_few_traps_and_many_paraphrases_are_served() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cache/pairs.dev.jsonl")).unwrap();
    let found = calibrate(&read(&text).unwrap(), &BuiltIn, None).unwrap();
    for score in [found.now, found.held_out] {
        assert!(score.wrong.rate <= 0.05, "{score:?}");
    }
    assert!(found.now.hit.rate >= HIT_LEAST, "{:?}", found.now);
    assert_eq!(found.now.wrong.of, crate::cli::cache::SHIPPED_TRAPS);
    assert_eq!(found.now.wrong.hits, crate::cli::cache::SHIPPED_WRONG);
}

/// Of the true paraphrases of `fixtures/cache/pairs.dev.jsonl`.
const HIT_LEAST: f64 = 0.5;

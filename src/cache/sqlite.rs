//! The embedded store: one SQLite file under the state folder.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::cache::entry::{Cost, Counters, Entry, Event, of_bytes, to_bytes};
use crate::cache::store::{DayAsk, Near, Store};
use crate::error::{Context as _, Error, Result};

/// The name of the file in the state folder.
pub const FILE: &str = "cache.sqlite";
/// Changes with the tables below.
const VERSION: i64 = 1;
/// How long we wait for another process that writes.
const BUSY: Duration = Duration::from_secs(5);

const TABLES: &str = "
create table if not exists entry (
  n integer primary key autoincrement, exact text not null unique, scope text not null, model text not null, question text,
  vector blob, answer text not null, tokens integer not null, micro_dollars integer not null, written_ms integer not null,
  until_ms integer not null);
create index if not exists entry_scope on entry (scope, n);
create index if not exists entry_until on entry (until_ms);
create table if not exists counter (event text primary key, n integer not null, tokens integer not null, micro_dollars integer not null);
create table if not exists day (day text primary key, nanos integer not null, requests integer not null);
";
const COLUMNS: &str = "exact, scope, model, question, answer, tokens, micro_dollars, written_ms, until_ms";

/// Answers in a SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl Sqlite {
    /// Opens the file in `dir`, makes it when missing.
    ///
    /// # Errors
    /// When it can't be opened, is no database of ours, or is damaged. The file is left as it is.
    pub fn open(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir).context(|| format!("can't make {}", dir.display()))?;
        let path = dir.join(FILE);
        let damaged = |e: rusqlite::Error| {
            Error::environment(format!("the cache {} can't be used", path.display())).source(e).hint(format!(
                "nothing was changed; move the file away to begin a new one: mv {0} {0}.damaged",
                path.display()
            ))
        };
        let connection = Connection::open(&path).map_err(damaged)?;
        connection.busy_timeout(BUSY).map_err(damaged)?;
        let version: i64 = connection.query_row("pragma user_version", [], |row| row.get(0)).map_err(damaged)?;
        if version > VERSION {
            return Err(Error::environment(format!("the cache {} is of a newer kaizen-ci", path.display()))
                .hint("use the newer version, or set another state folder"));
        }
        // write-ahead: readers don't wait for the writer; `normal` may lose the last answers in a power cut, never the file
        connection.pragma_update(None, "journal_mode", "wal").map_err(damaged)?;
        connection.pragma_update(None, "synchronous", "normal").map_err(damaged)?;
        let check: String = connection.query_row("pragma quick_check(1)", [], |row| row.get(0)).map_err(damaged)?;
        if check != "ok" {
            return Err(damaged(rusqlite::Error::InvalidParameterName(check)));
        }
        connection.execute_batch(TABLES).map_err(damaged)?;
        connection.pragma_update(None, "user_version", VERSION).map_err(damaged)?;
        Ok(Self { path, connection: Mutex::new(connection) })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // a thread that panicked left no half statement behind: SQLite rolls back
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble(&self, doing: &str) -> impl FnOnce(rusqlite::Error) -> Error {
        let what = format!("can't {doing} the cache {}", self.path.display());
        |e| Error::environment(what).source(e).hint("kaizen-ci cache clear, or move the file away")
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        exact: row.get(0)?,
        scope: row.get(1)?,
        model: row.get(2)?,
        question: row.get(3)?,
        vector: Vec::new(),
        answer: row.get(4)?,
        cost: Cost { tokens: unsigned(row.get(5)?), micro_dollars: unsigned(row.get(6)?) },
        written_ms: row.get(7)?,
        until_ms: row.get(8)?,
    })
}

fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl Store for Sqlite {
    fn get(&self, exact: &str, now_ms: i64) -> Result<Option<Entry>> {
        let connection = self.lock();
        let sql = format!("select {COLUMNS} from entry where exact = ?1 and until_ms > ?2");
        let mut statement = connection.prepare_cached(&sql).map_err(self.trouble("read"))?;
        statement.query_row(params![exact, now_ms], entry).optional().map_err(self.trouble("read"))
    }

    fn put(&self, e: &Entry) -> Result<()> {
        let connection = self.lock();
        // replacing gives a new number, so that other processes that read by number see it
        let sql = "insert or replace into entry (exact, scope, model, question, vector, answer, tokens, micro_dollars, written_ms, until_ms)
                   values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let mut statement = connection.prepare_cached(sql).map_err(self.trouble("write"))?;
        let vector = (!e.vector.is_empty()).then(|| to_bytes(&e.vector));
        let (tokens, money) = (signed(e.cost.tokens), signed(e.cost.micro_dollars));
        statement
            .execute(params![
                e.exact,
                e.scope,
                e.model,
                e.question,
                vector,
                e.answer,
                tokens,
                money,
                e.written_ms,
                e.until_ms
            ])
            .map_err(self.trouble("write"))?;
        Ok(())
    }

    fn questions(&self, scope: &str, after: i64, now_ms: i64) -> Result<(Vec<Near>, i64)> {
        let connection = self.lock();
        let sql = "select n, exact, question, vector, until_ms from entry
                   where scope = ?1 and n > ?2 and until_ms > ?3 and question is not null and vector is not null order by n";
        let mut statement = connection.prepare_cached(sql).map_err(self.trouble("read"))?;
        let mut rows = statement.query(params![scope, after, now_ms]).map_err(self.trouble("read"))?;
        let (mut found, mut mark) = (Vec::new(), after);
        while let Some(row) = rows.next().map_err(self.trouble("read"))? {
            let read = || -> rusqlite::Result<(i64, Near, Vec<u8>)> {
                let near =
                    Near { exact: row.get(1)?, question: row.get(2)?, vector: Vec::new(), until_ms: row.get(4)? };
                Ok((row.get(0)?, near, row.get(3)?))
            };
            let (n, near, bytes) = read().map_err(self.trouble("read"))?;
            mark = n;
            if let Some(vector) = of_bytes(&bytes) {
                found.push(Near { vector, ..near });
            }
        }
        Ok((found, mark))
    }

    fn count(&self, event: Event, saved: Cost) -> Result<()> {
        let sql = "insert into counter values (?1, 1, ?2, ?3) on conflict (event) do update set
                   n = n + 1, tokens = tokens + excluded.tokens, micro_dollars = micro_dollars + excluded.micro_dollars";
        let connection = self.lock();
        let mut statement = connection.prepare_cached(sql).map_err(self.trouble("write"))?;
        statement
            .execute(params![name(event), signed(saved.tokens), signed(saved.micro_dollars)])
            .map_err(self.trouble("write"))?;
        Ok(())
    }

    fn counters(&self, now_ms: i64) -> Result<Counters> {
        let connection = self.lock();
        let read = || -> rusqlite::Result<Counters> {
            let mut counters = Counters::default();
            let mut statement = connection.prepare_cached("select event, n, tokens, micro_dollars from counter")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let event: String = row.get(0)?;
                add(&mut counters, &event, unsigned(row.get(1)?), unsigned(row.get(2)?), unsigned(row.get(3)?));
            }
            let sql = "select count(*) filter (where until_ms > ?1), count(*) filter (where until_ms <= ?1) from entry";
            let (live, dead): (i64, i64) = connection.query_row(sql, [now_ms], |row| Ok((row.get(0)?, row.get(1)?)))?;
            (counters.entries, counters.expired) = (unsigned(live), unsigned(dead));
            Ok(counters)
        };
        read().map_err(self.trouble("read"))
    }

    fn export(&self, each: &mut dyn FnMut(Entry) -> Result<()>) -> Result<()> {
        let connection = self.lock();
        let sql = format!("select {COLUMNS} from entry order by n");
        let mut statement = connection.prepare(&sql).map_err(self.trouble("read"))?;
        let mut rows = statement.query([]).map_err(self.trouble("read"))?;
        while let Some(row) = rows.next().map_err(self.trouble("read"))? {
            each(entry(row).map_err(self.trouble("read"))?)?;
        }
        Ok(())
    }

    fn collect_garbage(&self, now_ms: i64) -> Result<u64> {
        let removed = self.lock().execute("delete from entry where until_ms <= ?1", [now_ms]);
        removed.map(|n| n as u64).map_err(self.trouble("write"))
    }

    fn reserve_day(&self, ask: &DayAsk) -> Result<Option<String>> {
        let mut connection = self.lock();
        let mut reserve = || -> rusqlite::Result<Option<String>> {
            // the write lock first: between reading and writing nobody else writes
            let step = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let read = |row: &Row<'_>| Ok((unsigned(row.get(0)?), unsigned(row.get(1)?)));
            let spent =
                step.query_row("select nanos, requests from day where day = ?1", [&ask.day], read).optional()?;
            let (nanos, requests) = spent.unwrap_or_default();
            if let Some(why) = ask.over(nanos, requests) {
                return Ok(Some(why));
            }
            let sql = "insert into day values (?1, ?2, 1) on conflict (day) do update set
                       nanos = nanos + excluded.nanos, requests = requests + 1";
            step.execute(sql, params![ask.day, signed(ask.nanos)])?;
            step.commit()?;
            Ok(None)
        };
        reserve().map_err(self.trouble("write"))
    }

    fn settle_day(&self, day: &str, nanos: i64, requests: u64) -> Result<()> {
        let sql = "update day set nanos = max(0, nanos - ?2), requests = max(0, requests - ?3) where day = ?1";
        self.lock().execute(sql, params![day, nanos, signed(requests)]).map(|_| ()).map_err(self.trouble("write"))
    }

    fn clear(&self) -> Result<u64> {
        let connection = self.lock();
        let removed = connection.execute("delete from entry", []).map_err(self.trouble("write"))?;
        connection.execute_batch("delete from counter; vacuum").map_err(self.trouble("write"))?;
        Ok(removed as u64)
    }
}

/// The name of a counter in every store.
pub(super) fn name(event: Event) -> &'static str {
    match event {
        Event::Exact => "exact",
        Event::Semantic => "semantic",
        Event::Refused => "refused",
        Event::Miss => "miss",
    }
}

/// Adds a counter as it was read; names of a later version are passed over.
pub(super) fn add(counters: &mut Counters, event: &str, n: u64, tokens: u64, micro_dollars: u64) {
    match event {
        "exact" => counters.exact = n,
        "semantic" => counters.semantic = n,
        "refused" => counters.refused = n,
        "miss" => counters.miss = n,
        _ => return,
    }
    counters.saved.tokens += tokens;
    counters.saved.micro_dollars += micro_dollars;
}

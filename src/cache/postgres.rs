//! The store of a team: PostgreSQL behind `KAIZEN_CACHE_URL`. Where the server has the extension pgvector, vectors of the
//! built-in embedder's size are found by its index; others lie as bytea, and the cosine is taken in the client.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio_postgres::config::SslMode;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Row};

use crate::cache::entry::{Cost, Counters, Entry, Event, of_bytes, to_bytes};
use crate::cache::sqlite::{add, name};
use crate::cache::store::{DayAsk, Near, Neighbour, Store};
use crate::error::{Context as _, Error, Result};

/// How long we wait for the server, for a connection and for each answer: a heal must not hang on a cache.
const PATIENCE: Duration = Duration::from_secs(5);

/// Made under a lock, so that runners which start together do not make them twice.
const TABLES: &str = "
begin; select pg_advisory_xact_lock(7235781);
create table if not exists kaizen_cache_entry (
  n bigserial primary key, exact text not null unique, scope text not null, model text not null, question text, vector bytea,
  answer text not null, tokens bigint not null, micro_dollars bigint not null, written_ms bigint not null, until_ms bigint not null);
create index if not exists kaizen_cache_entry_scope on kaizen_cache_entry (scope, n);
create index if not exists kaizen_cache_entry_until on kaizen_cache_entry (until_ms);
create table if not exists kaizen_cache_counter (event text primary key, n bigint not null, tokens bigint not null, micro_dollars bigint not null);
create table if not exists kaizen_cache_day (day text primary key, nanos bigint not null, requests bigint not null);
commit;";
const COLUMNS: &str = "exact, scope, model, question, answer, tokens, micro_dollars, written_ms, until_ms";

/// Dimensions of the column with an index; what has others lies as bytea.
const DIMENSIONS: usize = 384;
/// May fail where we have no right to it: then there is no index, and nothing else changes.
const EXTENSION: &str = "
begin; select pg_advisory_xact_lock(7235781);
create extension if not exists vector;
alter table kaizen_cache_entry add column if not exists embedding vector(384);
create index if not exists kaizen_cache_entry_embedding on kaizen_cache_entry using hnsw (embedding vector_cosine_ops);
commit;";

/// Answers on a PostgreSQL server.
pub struct Postgres {
    client: Client,
    /// There is a column with an index for vectors.
    indexed: bool,
    /// Drives the connection; one thread. Taken out when dropped, so that it ends in the background wherever that happens.
    runtime: Mutex<Option<Runtime>>,
}

impl Postgres {
    /// Connects, and makes the tables when missing.
    ///
    /// # Errors
    /// When the address is wrong (its password is never in the words) or the server does not answer.
    pub fn open(url: &str) -> Result<Self> {
        let trouble = |e: tokio_postgres::Error| {
            Error::environment("the cache on the PostgreSQL server can't be used").why(words(&e)).hint(
                "check KAIZEN_CACHE_URL (postgres://user:password@host/database; no TLS: use a socket or a tunnel)",
            )
        };
        let mut config: tokio_postgres::Config = url.parse().map_err(trouble)?;
        if config.get_ssl_mode() == SslMode::Require {
            return Err(Error::environment(
                "the cache on the PostgreSQL server can't be used: KAIZEN_CACHE_URL asks for TLS",
            )
            .why("sslmode=require: kaizen-ci speaks no TLS with PostgreSQL, and did not connect in clear text")
            .hint("reach the server through a socket or a tunnel (ssh -L), with sslmode=disable"));
        }
        config.connect_timeout(PATIENCE).application_name("kaizen-ci");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("cache-server")
            .enable_all()
            .build()
            .context(|| "can't start the thread for the cache server".into())?;
        let connect = async move {
            let (client, connection) = config.connect(NoTls).await?;
            // ends when the client is dropped; its errors come back from the calls
            tokio::spawn(connection);
            client.batch_execute(TABLES).await?;
            let indexed = indexed(&client).await?;
            Ok::<_, tokio_postgres::Error>((client, indexed))
        };
        let (client, indexed) = wait(runtime.handle(), connect).map_err(|e| e.map_or_else(late, trouble))?;
        Ok(Self { client, indexed, runtime: Mutex::new(Some(runtime)) })
    }

    fn is_indexed(&self, vector: &[f32]) -> bool {
        self.indexed && vector.len() == DIMENSIONS
    }

    fn run<T: Send>(
        &self,
        work: impl Future<Output = std::result::Result<T, tokio_postgres::Error>> + Send,
    ) -> Result<T> {
        let handle = {
            let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
            runtime.as_ref().map(|r| r.handle().clone())
        };
        let trouble = |e: tokio_postgres::Error| {
            Error::environment("the PostgreSQL server of the cache refused")
                .why(words(&e))
                .hint("kaizen-ci cache stats")
        };
        wait(&handle.ok_or_else(late)?, work).map_err(|e| e.map_or_else(late, trouble))
    }
}

/// Is there a column with an index for vectors, now or after we have made it?
async fn indexed(client: &Client) -> std::result::Result<bool, tokio_postgres::Error> {
    const THERE: &str = "select 1 from information_schema.columns where table_schema = any (current_schemas(false))
                         and table_name = 'kaizen_cache_entry' and column_name = 'embedding'";
    const CAN_BE: &str = "select 1 from pg_available_extensions where name = 'vector'";
    if client.query_opt(THERE, &[]).await?.is_none() {
        if client.query_opt(CAN_BE, &[]).await?.is_none() {
            return Ok(false);
        }
        if let Err(error) = client.batch_execute(EXTENSION).await {
            tracing::debug!("no index for vectors on the PostgreSQL server: {}", words(&error));
            client.batch_execute("rollback").await?;
            return Ok(false);
        }
    }
    // the index is asked for the nearest of all scopes: it has to go on until enough of ours are found
    let version = client.query_opt("select extversion from pg_extension where extname = 'vector'", &[]).await?;
    let version: String = version.map_or(Ok(String::new()), |row| row.try_get(0))?;
    client.batch_execute(if goes_on(&version) { GO_ON } else { LOOK_WIDE }).await?;
    Ok(true)
}

const GO_ON: &str = "set hnsw.iterative_scan = strict_order";
const LOOK_WIDE: &str = "set hnsw.ef_search = 400";

/// pgvector goes on looking since 0.8.
fn goes_on(version: &str) -> bool {
    let mut numbers = version.split('.').map(|n| n.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (0, 8)
}

/// As pgvector reads it.
fn literal(vector: &[f32]) -> String {
    let numbers: Vec<String> = vector.iter().map(f32::to_string).collect();
    format!("[{}]", numbers.join(","))
}

/// Waits for `work`, [`PATIENCE`] at most; no error is: too late. On a thread of its own, because callers may stand on a
/// thread that drives futures, which must not block on another runtime.
fn wait<T: Send>(
    handle: &Handle,
    work: impl Future<Output = std::result::Result<T, tokio_postgres::Error>> + Send,
) -> std::result::Result<T, Option<tokio_postgres::Error>> {
    let timed = async { tokio::time::timeout(PATIENCE, work).await };
    let done = std::thread::scope(|scope| scope.spawn(|| handle.block_on(timed)).join());
    match done {
        Ok(Ok(done)) => done.map_err(Some),
        Ok(Err(_)) | Err(_) => Err(None),
    }
}

fn late() -> Error {
    Error::environment(format!("the PostgreSQL server of the cache did not answer within {} s", PATIENCE.as_secs()))
        .hint("check KAIZEN_CACHE_URL, or unset it to use the cache of this machine")
}

/// An error with its causes; the server's own words stand in the cause.
fn words(error: &tokio_postgres::Error) -> String {
    let mut out = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        out.push_str(&format!(": {error}"));
        cause = error.source();
    }
    out
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take() {
            runtime.shutdown_background();
        }
    }
}

fn entry(row: &Row) -> std::result::Result<Entry, tokio_postgres::Error> {
    Ok(Entry {
        exact: row.try_get(0)?,
        scope: row.try_get(1)?,
        model: row.try_get(2)?,
        question: row.try_get(3)?,
        vector: Vec::new(),
        answer: row.try_get(4)?,
        cost: Cost { tokens: unsigned(row.try_get(5)?), micro_dollars: unsigned(row.try_get(6)?) },
        written_ms: row.try_get(7)?,
        until_ms: row.try_get(8)?,
    })
}

fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// PostgreSQL keeps no NUL in text.
fn plain(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

impl Store for Postgres {
    fn get(&self, exact: &str, now_ms: i64) -> Result<Option<Entry>> {
        let sql = format!("select {COLUMNS} from kaizen_cache_entry where exact = $1 and until_ms > $2");
        self.run(async {
            let row = self.client.query_opt(&sql, &[&exact, &now_ms]).await?;
            row.as_ref().map(entry).transpose()
        })
    }

    fn put(&self, e: &Entry) -> Result<()> {
        let vector = (!e.vector.is_empty()).then(|| to_bytes(&e.vector));
        let embedding = self.is_indexed(&e.vector).then(|| literal(&e.vector));
        let (column, value, update) = match embedding {
            Some(_) => (", embedding", ", $11::text::vector", ", embedding = excluded.embedding"),
            None => ("", "", ""),
        };
        // a new number on every write, so that other runners which read by number see it
        let sql = format!(
            "insert into kaizen_cache_entry (exact, scope, model, question, vector, answer, tokens, micro_dollars, written_ms, until_ms{column})
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10{value}) on conflict (exact) do update set n = excluded.n,
             scope = excluded.scope, model = excluded.model, question = excluded.question, vector = excluded.vector,
             answer = excluded.answer, tokens = excluded.tokens, micro_dollars = excluded.micro_dollars,
             written_ms = excluded.written_ms, until_ms = excluded.until_ms{update}"
        );
        let (tokens, money) = (signed(e.cost.tokens), signed(e.cost.micro_dollars));
        let (question, answer) = (e.question.as_deref().map(plain), plain(&e.answer));
        let mut values: Vec<&(dyn ToSql + Sync)> = vec![
            &e.exact,
            &e.scope,
            &e.model,
            &question,
            &vector,
            &answer,
            &tokens,
            &money,
            &e.written_ms,
            &e.until_ms,
        ];
        values.extend(embedding.as_ref().map(|text| text as &(dyn ToSql + Sync)));
        self.run(async { self.client.execute(&sql, &values).await.map(|_| ()) })
    }

    fn nearest(&self, scope: &str, vector: &[f32], most: usize, now_ms: i64) -> Result<Option<Vec<Neighbour>>> {
        if !self.is_indexed(vector) {
            return Ok(None);
        }
        let sql = "select exact, question, 1 - (embedding <=> $1::text::vector) from kaizen_cache_entry
                   where scope = $2 and until_ms > $3 and question is not null and embedding is not null
                   order by embedding <=> $1::text::vector limit $4";
        let (asked, most) = (literal(vector), i64::try_from(most).unwrap_or(i64::MAX));
        let found = self.run(async {
            let rows = self.client.query(sql, &[&asked, &scope, &now_ms, &most]).await?;
            let one = |row: Row| {
                let cosine: f64 = row.try_get(2)?;
                Ok(Neighbour { exact: row.try_get(0)?, question: row.try_get(1)?, cosine: cosine as f32 })
            };
            rows.into_iter().map(one).collect::<std::result::Result<Vec<_>, tokio_postgres::Error>>()
        })?;
        // of a vector of nothing there is no cosine
        Ok(Some(found.into_iter().filter(|n| n.cosine.is_finite()).collect()))
    }

    fn questions(&self, scope: &str, after: i64, now_ms: i64) -> Result<(Vec<Near>, i64)> {
        let rest = if self.indexed { "and embedding is null" } else { "" };
        let sql = format!(
            "select n, exact, question, vector, until_ms from kaizen_cache_entry where scope = $1 and n > $2 and until_ms > $3
             and question is not null and vector is not null {rest} order by n"
        );
        self.run(async {
            let (mut found, mut mark) = (Vec::new(), after);
            for row in self.client.query(&sql, &[&scope, &after, &now_ms]).await? {
                mark = row.try_get(0)?;
                let bytes: Vec<u8> = row.try_get(3)?;
                if let Some(vector) = of_bytes(&bytes) {
                    found.push(Near {
                        exact: row.try_get(1)?,
                        question: row.try_get(2)?,
                        vector,
                        until_ms: row.try_get(4)?,
                    });
                }
            }
            Ok((found, mark))
        })
    }

    fn count(&self, event: Event, saved: Cost) -> Result<()> {
        let sql = "insert into kaizen_cache_counter as c values ($1, 1, $2, $3) on conflict (event) do update set
                   n = c.n + 1, tokens = c.tokens + excluded.tokens, micro_dollars = c.micro_dollars + excluded.micro_dollars";
        let (event, tokens, money) = (name(event), signed(saved.tokens), signed(saved.micro_dollars));
        self.run(async { self.client.execute(sql, &[&event, &tokens, &money]).await.map(|_| ()) })
    }

    fn counters(&self, now_ms: i64) -> Result<Counters> {
        self.run(async {
            let mut counters = Counters::default();
            for row in self.client.query("select event, n, tokens, micro_dollars from kaizen_cache_counter", &[]).await? {
                let event: String = row.try_get(0)?;
                let number = |at: usize| row.try_get::<_, i64>(at).map(unsigned);
                add(&mut counters, &event, number(1)?, number(2)?, number(3)?);
            }
            let sql = "select count(*) filter (where until_ms > $1), count(*) filter (where until_ms <= $1) from kaizen_cache_entry";
            let row = self.client.query_one(sql, &[&now_ms]).await?;
            (counters.entries, counters.expired) = (unsigned(row.try_get(0)?), unsigned(row.try_get(1)?));
            Ok(counters)
        })
    }

    fn export(&self, each: &mut dyn FnMut(Entry) -> Result<()>) -> Result<()> {
        let mut after = 0i64;
        loop {
            let sql = format!("select {COLUMNS}, n from kaizen_cache_entry where n > $1 order by n limit 500");
            let rows = self.run(async { self.client.query(&sql, &[&after]).await })?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in rows {
                let read = || Ok((entry(&row)?, row.try_get(9)?));
                let (entry, n) = self.run(async { read() })?;
                after = n;
                each(entry)?;
            }
        }
    }

    fn collect_garbage(&self, now_ms: i64) -> Result<u64> {
        self.run(async { self.client.execute("delete from kaizen_cache_entry where until_ms <= $1", &[&now_ms]).await })
    }

    fn reserve_day(&self, ask: &DayAsk) -> Result<Option<String>> {
        // one statement, so that runners at the same time can't both get the last of it: the row is locked by the update, and
        // the condition looks at it as it is then
        let sql = "update kaizen_cache_day set nanos = nanos + $2, requests = requests + 1
                   where day = $1 and nanos + $2 <= $3 and requests < $4";
        let most = |limit: Option<u64>| limit.map_or(i64::MAX, signed);
        let (nanos, money, requests) = (signed(ask.nanos), most(ask.most_nanos), most(ask.most_requests));
        self.run(async {
            let new = "insert into kaizen_cache_day values ($1, 0, 0) on conflict (day) do nothing";
            self.client.execute(new, &[&ask.day]).await?;
            if self.client.execute(sql, &[&ask.day, &nanos, &money, &requests]).await? == 1 {
                return Ok(None);
            }
            let now = "select nanos, requests from kaizen_cache_day where day = $1";
            let row = self.client.query_one(now, &[&ask.day]).await?;
            let over = ask.over(unsigned(row.try_get(0)?), unsigned(row.try_get(1)?));
            Ok(Some(over.unwrap_or_else(|| format!("the budget of {} is spent", ask.day))))
        })
    }

    fn settle_day(&self, day: &str, nanos: i64, requests: u64) -> Result<()> {
        let sql = "update kaizen_cache_day set nanos = greatest(0, nanos - $2), requests = greatest(0, requests - $3)
                   where day = $1";
        let requests = signed(requests);
        self.run(async { self.client.execute(sql, &[&day, &nanos, &requests]).await.map(|_| ()) })
    }

    fn clear(&self) -> Result<u64> {
        self.run(async {
            let removed = self.client.execute("delete from kaizen_cache_entry", &[]).await?;
            self.client.execute("delete from kaizen_cache_counter", &[]).await?;
            Ok(removed)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_goes_on_is_told_by_its_version() {
        for (version, on) in
            [("0.8.0", true), ("0.8.5", true), ("1.0", true), ("0.7.4", false), ("0.5.1", false), ("", false)]
        {
            assert_eq!(goes_on(version), on, "{version}");
        }
        assert_eq!(literal(&[0.5, -1.0]), "[0.5,-1]");
    }
}

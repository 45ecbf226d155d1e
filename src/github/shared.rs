//! What several jobs write together: the issue of a fingerprint, its report under a pull request, the pull request of a heal.
//! There is one of each, whoever comes first, and at whatever moment the others come.

use serde_json::{Value, json};

use super::api::{Found, LABEL, strange};
use super::body;
use super::client::{Client, Trouble};
use super::places::{self, Place};

/// So often a text is written when others write over it at the same moment.
const MOST_WRITES: usize = 8;

impl Client {
    /// One issue per fingerprint: made, or updated and opened again. One that is open about other jobs, too, keeps their
    /// places, and its text when one of them wrote it.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn put_issue(&self, fingerprint: &str, title: &str, text: &str) -> Result<Found, Trouble> {
        if let Some(found) = self.find_issue(fingerprint).await? {
            return self.join_issue(found, title, text).await;
        }
        let route = self.route("/issues");
        let new = json!({ "title": title, "body": text, "labels": [LABEL] });
        let look = || async {
            let found = self.find_issue(fingerprint).await?;
            Ok(found.map(|f| json!({"number": f.number, "html_url": f.url, "state": "open", "body": f.body})))
        };
        let answer = self.write("POST", &route, &new, look).await?;
        let made = Found::of(&answer.body).ok_or_else(|| strange("POST", &route))?;
        // Another job may have made one at the same moment: the older one stays.
        match self.find_issue(fingerprint).await? {
            Some(older) if older.open && older.number < made.number => {
                let why = format!("The same as #{}, which another job wrote at the same moment.", older.number);
                self.close(&made, fingerprint, &why, "not_planned").await?;
                self.join_issue(older, title, text).await
            }
            _ => Ok(made),
        }
    }

    async fn join_issue(&self, found: Found, title: &str, text: &str) -> Result<Found, Trouble> {
        let change = |now: &Found| {
            let (body, title) = if now.open { joined(now, title, text) } else { (text.to_owned(), title.to_owned()) };
            json!({ "title": title, "body": body, "state": "open" })
        };
        self.write_over("issues", found, text, change).await
    }

    /// Writes `change` of what is there until the places of `text` are in it: somebody may write over it at the same moment.
    async fn write_over(
        &self,
        kind: &str,
        found: Found,
        text: &str,
        change: impl Fn(&Found) -> Value,
    ) -> Result<Found, Trouble> {
        let route = self.route(&format!("/{kind}/{}", found.number));
        let mut now = found.clone();
        for _ in 0..MOST_WRITES {
            self.write("PATCH", &route, &change(&now), || async { Ok(None) }).await?;
            // who read it before us may write after us
            self.settle().await;
            now = self.now(&route).await?;
            if places::has(&now.body, text) {
                break;
            }
        }
        Ok(found)
    }

    async fn now(&self, route: &str) -> Result<Found, Trouble> {
        Found::of(&self.read(route).await?.body).ok_or_else(|| strange("GET", route))
    }

    /// Waits until writes that are under way have come through; not as long as others wait that began at the same moment.
    async fn settle(&self) {
        tokio::time::sleep(self.pace.settle.mul_f64(1.0 + fastrand::f64())).await;
    }

    /// The report of a fingerprint as our comment under `number`, with the places of all jobs that said the same.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn put_report(&self, number: u64, fingerprint: &str, text: &str) -> Result<(), Trouble> {
        for _ in 0..MOST_WRITES {
            let before = self.find_comment(number, "fingerprint", fingerprint).await?;
            let merged = before.map_or_else(|| text.to_owned(), |(_, old)| places::merged(&old, text).0);
            self.put_comment(number, "fingerprint", fingerprint, &merged).await?;
            self.settle().await;
            let now = self.find_comment(number, "fingerprint", fingerprint).await?;
            if now.is_none_or(|(_, now)| places::has(&now, text)) {
                break;
            }
        }
        Ok(())
    }

    /// Closes our issue of this fingerprint, with a word why. None when there is none open.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn close_issue(&self, fingerprint: &str, why: &str) -> Result<Option<u64>, Trouble> {
        let Some(found) = self.find_issue(fingerprint).await?.filter(|found| found.open) else { return Ok(None) };
        self.close(&found, fingerprint, why, "completed").await?;
        Ok(Some(found.number))
    }

    async fn close(&self, found: &Found, fingerprint: &str, why: &str, reason: &str) -> Result<(), Trouble> {
        let text = format!("{}\n{why}\n", body::marker("green", fingerprint));
        self.put_comment(found.number, "green", fingerprint, &text).await?;
        let route = self.route(&format!("/issues/{}", found.number));
        let change = json!({ "state": "closed", "state_reason": reason });
        self.write("PATCH", &route, &change, || async { Ok(None) }).await.map(drop)
    }

    /// What our open issues are about is over at this place (a branch and the tests that one job runs on it), but for the
    /// fingerprints that are `red` there: those issues are closed that are red at no other place, too; in the others it is
    /// taken out, and said.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn leave_place(&self, place: &str, red: &[String], why: &str) -> Result<Vec<u64>, Trouble> {
        let mut closed = Vec::new();
        for found in self.our_issues("open").await? {
            let Some(fingerprint) = body::marked_value(&found.body, "fingerprint") else { continue };
            if red.contains(&fingerprint) {
                continue;
            }
            let Some((rest, left)) = places::without(&found.body, place) else { continue };
            if left.is_empty() {
                self.close(&found, &fingerprint, why, "completed").await?;
                closed.push(found.number);
                continue;
            }
            let route = self.route(&format!("/issues/{}", found.number));
            self.write("PATCH", &route, &json!({ "body": rest }), || async { Ok(None) }).await?;
            let text = format!("{}\n{why} Still red in {}.\n", body::marker("green-at", place), places::names(&left));
            self.put_comment(found.number, "green-at", place, &text).await?;
        }
        Ok(closed)
    }

    /// Adds a place to the open issue of a fingerprint: red there, too, and not looked into again. None when there is no such
    /// issue.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn put_place(&self, fingerprint: &str, place: &Place) -> Result<Option<Found>, Trouble> {
        let Some(found) = self.find_issue(fingerprint).await?.filter(|found| found.open) else { return Ok(None) };
        let first = places::of(&found.body).first().cloned().unwrap_or_else(|| place.clone());
        if first.id == place.id {
            return Ok(Some(found));
        }
        let text =
            places::with(&format!("{}\n", body::marker("fingerprint", fingerprint)), std::slice::from_ref(place));
        let title = found.title.clone();
        self.join_issue(found, &title, &text).await.map(Some)
    }

    /// A draft pull request from our branch: made, or its text updated.
    ///
    /// # Errors
    /// When GitHub refuses (also when Actions may not make pull requests: status 403 or 422).
    pub async fn put_pull(
        &self,
        branch: &str,
        base: &str,
        title: &str,
        text: &str,
        draft: bool,
    ) -> Result<Found, Trouble> {
        if let Some(found) = self.find_pull(branch).await? {
            return self.join_pull(found, title, text).await;
        }
        let route = self.route("/pulls");
        let new = json!({ "title": title, "body": text, "head": branch, "base": base, "draft": draft });
        let look = || async {
            let found = self.find_pull(branch).await?;
            Ok(found.map(|f| json!({"number": f.number, "html_url": f.url, "state": "open", "body": f.body})))
        };
        match self.write("POST", &route, &new, look).await {
            Ok(answer) => Found::of(&answer.body).ok_or_else(|| strange("POST", &route)),
            // another job made it at the same moment
            Err(trouble) if trouble.status() == Some(422) => match self.find_pull(branch).await? {
                Some(found) => self.join_pull(found, title, text).await,
                None => Err(trouble),
            },
            Err(trouble) => Err(trouble),
        }
    }

    async fn join_pull(&self, found: Found, title: &str, text: &str) -> Result<Found, Trouble> {
        let change = |now: &Found| {
            let (body, title) = joined(now, title, text);
            json!({ "title": title, "body": body })
        };
        self.write_over("pulls", found, text, change).await
    }
}

/// What is written over `now` for `text`, and its title: those of whoever came first, with the places of both.
fn joined(now: &Found, title: &str, text: &str) -> (String, String) {
    let (body, is_new) = places::merged(&now.body, text);
    (body, if is_new { title } else { &now.title }.to_owned())
}

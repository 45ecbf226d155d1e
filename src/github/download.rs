//! Large answers that are no JSON: logs of jobs, behind redirects, up to a limit.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::BodyExt as _;

use super::client::{Client, Trouble};
use super::pace::{Next, Seen, next};

/// The longest that one download may take.
const LIMIT: Duration = Duration::from_secs(180);

/// What was downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// There was more than we take.
    pub cut: bool,
}

enum Got {
    /// All of it, or as much as we take.
    Whole(Download),
    /// A refusal.
    Refused(u16),
    /// The connection broke, or it took too long.
    Broken,
}

impl Client {
    /// Downloads what is at `route`, at most `most` bytes of it. Redirects are followed; the token does not go along to
    /// another host (octocrab drops it there; a test watches that).
    ///
    /// # Errors
    /// When it is refused, or can't be had whole.
    pub async fn download(&self, route: &str, most: usize) -> Result<Download, Trouble> {
        let mut attempt = 1;
        loop {
            let got = tokio::time::timeout(LIMIT, self.get_bytes(route, most)).await.unwrap_or((Got::Broken, None));
            let (got, retry_after_s) = got;
            let status = match &got {
                Got::Whole(_) => Some(200),
                Got::Refused(status) => Some(*status),
                Got::Broken => None,
            };
            let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
            let seen = Seen { status, retry_after_s, ..Seen::default() };
            match (next(self.pace, seen, attempt, now_s), got) {
                (Next::Take, Got::Whole(download)) => return Ok(download),
                (Next::Take, Got::Refused(status)) => {
                    let message = "the log can't be had".into();
                    return Err(Trouble::Refused { method: "GET".into(), route: route.into(), status, message });
                }
                (Next::Again(wait) | Next::Look(wait), _) => tokio::time::sleep(wait).await,
                (Next::GiveUp(why), _) => {
                    return Err(Trouble::NoAnswer { method: "GET".into(), route: route.into(), why });
                }
                (Next::Take, Got::Broken) => {
                    let why = "the connection broke".into();
                    return Err(Trouble::NoAnswer { method: "GET".into(), route: route.into(), why });
                }
            }
            attempt += 1;
        }
    }

    async fn get_bytes(&self, route: &str, most: usize) -> (Got, Option<u64>) {
        let Ok(response) = self.crab._get(route).await else { return (Got::Broken, None) };
        let status = response.status().as_u16();
        let number = response.headers().get("retry-after").and_then(|v| v.to_str().ok()?.trim().parse::<u64>().ok());
        if status >= 300 {
            return (Got::Refused(status), number);
        }
        let wanted = response.headers().get("content-length").and_then(|v| v.to_str().ok()?.trim().parse::<u64>().ok());
        let (mut body, mut bytes) = (response.into_body(), Vec::new());
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return (Got::Broken, None) };
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > most {
                bytes.extend_from_slice(&data[..most - bytes.len()]);
                return (Got::Whole(Download { bytes, cut: true }), None);
            }
            bytes.extend_from_slice(&data);
        }
        // a connection that ends early must not be taken for a short log
        if wanted.is_some_and(|wanted| wanted != bytes.len() as u64) {
            return (Got::Broken, None);
        }
        (Got::Whole(Download { bytes, cut: false }), None)
    }
}

//! Where one failure is red: several jobs (of a matrix, of several workflows) may report the same one, in one issue, pull request
//! or comment. Each adds its place; who came first wrote the text; what is green in all of them is over.

use super::body::{marked_values, marker};
use crate::report::escape::code;

/// What the marker is called.
const WHAT: &str = "place";

/// Names of jobs are cut here.
const NAME_MOST_CHARS: usize = 60;

/// A place: a branch, and one job with its tests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// A number made of all that tells it from others.
    pub id: String,
    /// The job, for people: letters, digits, `-` and `.`.
    pub job: String,
}

impl Place {
    /// With the name of a job as people write them.
    pub fn new(id: &str, job: &str) -> Self {
        let plain = job.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' });
        let plain: String = plain.take(NAME_MOST_CHARS).collect();
        let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
        Self { id: id.to_owned(), job: words.join("-") }
    }

    fn read(value: &str) -> Self {
        let (id, job) = value.split_once('_').unwrap_or((value, ""));
        Self::new(id, job)
    }

    /// As it stands in its marker.
    pub fn value(&self) -> String {
        if self.job.is_empty() { self.id.clone() } else { format!("{}_{}", self.id, self.job) }
    }

    fn shown(&self) -> String {
        code(if self.job.is_empty() { &self.id } else { &self.job })
    }
}

/// The places that are named in the first lines of `body`.
pub fn of(body: &str) -> Vec<Place> {
    marked_values(body, WHAT).iter().map(|value| Place::read(value)).collect()
}

/// How the line begins that people see, where there are several.
const SEEN: &str = "Red in ";

/// `body` with exactly these places.
pub fn with(body: &str, places: &[Place]) -> String {
    let head: Vec<&str> = body.split_inclusive('\n').take_while(|line| line.starts_with("<!-- kaizen-ci:")).collect();
    let length: usize = head.iter().map(|line| line.len()).sum();
    let is_place = |line: &&&str| line.starts_with(&format!("<!-- kaizen-ci:{WHAT}="));
    let others: Vec<&str> = head.iter().filter(|line| !is_place(line)).copied().collect();
    let mut out: String = others.iter().take(1).copied().collect();
    for place in places {
        out.push_str(&format!("{}\n", marker(WHAT, &place.value())));
    }
    out.extend(others.iter().skip(1).copied());
    let mut text = &body[length..];
    // the line of last time
    if text.starts_with(SEEN) {
        text = text.split_once('\n').map_or("", |(_, rest)| rest.trim_start_matches('\n'));
    }
    if places.len() > 1 {
        let names: Vec<String> = places.iter().map(Place::shown).collect();
        out.push_str(&format!("{SEEN}{} jobs: {}.\n\n", places.len(), names.join(", ")));
    }
    out + text
}

/// What is written where `old` is there, and `new` is about the same: the text of whoever came first, with the places of both.
/// True: it is the new text.
pub fn merged(old: &str, new: &str) -> (String, bool) {
    let (before, own) = (of(old), of(new));
    let Some(own) = own.first() else { return (new.to_owned(), true) };
    let is_first = before.first().is_none_or(|first| first.id == own.id);
    let others = before.iter().filter(|place| place.id != own.id).cloned();
    match is_first {
        true => (with(new, &std::iter::once(own.clone()).chain(others).collect::<Vec<_>>()), true),
        false => (with(old, &others.chain([own.clone()]).collect::<Vec<_>>()), false),
    }
}

/// `body` without this place, and the places that are left; none when it was not there.
pub fn without(body: &str, id: &str) -> Option<(String, Vec<Place>)> {
    let before = of(body);
    let left: Vec<Place> = before.iter().filter(|place| place.id != id).cloned().collect();
    (left.len() < before.len()).then(|| (with(body, &left), left))
}

/// Are all places of `new` in `now`?
pub fn has(now: &str, new: &str) -> bool {
    let now = of(now);
    of(new).iter().take(1).all(|own| now.iter().any(|place| place.id == own.id))
}

/// Names of places, for a sentence.
pub fn names(places: &[Place]) -> String {
    places.iter().map(Place::shown).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(places: &[(&str, &str)], text: &str) -> String {
        let places: Vec<Place> = places.iter().map(|(id, job)| Place::new(id, job)).collect();
        with(&format!("{}\n{}\n{text}", marker("fingerprint", "00aa"), marker("print", "v1")), &places)
    }

    #[test]
    fn the_first_one_writes_the_text_and_others_add_their_place() {
        let first = body(&[("1a", "test (linux, 3.12)")], "of linux");
        let second = body(&[("2b", "test (macos)")], "of macos");
        let (both, is_new) = merged(&first, &second);
        assert!(both.ends_with("of linux") && !is_new, "{both}");
        assert!(both.contains("Red in 2 jobs: `test-linux-3.12`, `test-macos`."), "{both}");
        // again, the other way round, and a third time: nothing is doubled, nobody is lost
        let (again, is_new) = merged(&both, &body(&[("1a", "test (linux, 3.12)")], "of linux, later"));
        assert!(again.ends_with("of linux, later") && is_new, "{again}");
        let (again, _) = merged(&again, &second);
        assert_eq!(of(&again).iter().map(|p| p.id.as_str()).collect::<Vec<_>>(), ["1a", "2b"]);
        assert_eq!(again.matches("Red in").count(), 1, "{again}");
        assert!(
            again.starts_with("<!-- kaizen-ci:fingerprint=00aa -->\n<!-- kaizen-ci:place=1a_test-linux-3.12 -->\n")
        );
        assert!(again.contains("<!-- kaizen-ci:print=v1 -->\n"), "{again}");
    }

    #[test]
    fn a_place_that_turned_green_is_taken_out_and_the_last_one_is_the_end() {
        let (both, _) = merged(&body(&[("1a", "a")], "text"), &body(&[("2b", "b")], ""));
        let (one, left) = without(&both, "1a").unwrap();
        assert_eq!((left.len(), names(&left).as_str()), (1, "`b`"));
        assert!(!one.contains("Red in") && one.ends_with("text"), "{one}");
        assert!(without(&one, "1a").is_none());
        assert_eq!(without(&one, "2b").unwrap().1, []);
    }

    #[test]
    fn names_of_jobs_are_plain_in_a_marker_and_in_a_sentence() {
        let place = Place::new("1a", "x --> <b>@octocat</b> \u{202e} #1");
        assert_eq!(place.value(), "1a_x-b-octocat-b-1");
        let text = body(&[("1a", "--> evil"), ("2b", "")], "text");
        assert_eq!(of(&text), [Place::new("1a", "evil"), Place::new("2b", "")]);
        assert_eq!(of("no marker\n<!-- kaizen-ci:place=1a -->\n"), []);
    }
}

//! What must not pass on in text: secrets, covered before anything is written down, and characters that nobody sees.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

/// What stands in the place of a secret.
pub const COVER: &str = "***";

/// Secret values shorter than this are not searched for in text: they would cover half of it.
const VALUE_LEAST_BYTES: usize = 8;

/// A value of lower case letters only is a word (`postgres`, `password`, `production`) up to this length; covering it
/// would damage logs and diffs and hide nothing.
const WORD_MOST_BYTES: usize = 15;

/// Shapes that the services document for their own tokens, so that leaks can be found; one alternative for each.
const SHAPES: &str = concat!(
    // no boundary before these: what stands there may be an escape of JSON or of a terminal (`\nghp_…`, `[31mghp_…`)
    r"gh[pousr]_[A-Za-z0-9]{20,}",
    // GitHub's tokens since 2026: `ghs_APPID_JWT`
    r"|gh[a-z]_[A-Za-z0-9._-]{36,}",
    r"|github_pat_[A-Za-z0-9_]{20,}",
    r"|sk-ant-[A-Za-z0-9_-]{20,}",
    r"|\bglpat-[A-Za-z0-9_-]{20,}",
    r"|\bsk-(?:[a-z0-9]+-)*[A-Za-z0-9_]{20,}[A-Za-z0-9_-]*",
    r"|\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}",
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"|\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    r"|\bAIza[0-9A-Za-z_-]{35}",
    r"|\bya29\.[0-9A-Za-z_-]{20,}",
    r"|\bnpm_[A-Za-z0-9]{36}",
    r"|\bpypi-[A-Za-z0-9_-]{50,}",
    r"|\bcio[A-Za-z0-9]{32}\b",
    // Groq, xAI, NVIDIA, Perplexity, Replicate, Fireworks, Cerebras
    r"|\bgsk_[A-Za-z0-9]{20,}",
    r"|\bxai-[A-Za-z0-9]{20,}",
    r"|\bnvapi-[A-Za-z0-9_-]{20,}",
    r"|\bpplx-[A-Za-z0-9]{20,}",
    r"|\br8_[A-Za-z0-9]{20,}",
    r"|\bfw_[A-Za-z0-9]{20,}",
    r"|\bcsk-[A-Za-z0-9]{20,}",
    r"|\bhf_[A-Za-z0-9]{30,}",
    r"|\bdckr_pat_[A-Za-z0-9_-]{20,}",
    r"|\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
    // Google's OAuth, Slack's apps, webhooks of Stripe and Svix, GitLab's other tokens, DigitalOcean, Databricks, Shopify, Vault
    r"|GOCSPX-[A-Za-z0-9_-]{20,}",
    r"|\bxapp-[A-Za-z0-9-]{20,}",
    r"|whsec_[A-Za-z0-9+/=_-]{24,}",
    r"|\bgl(?:dt|rt|cbt|ptt)-[A-Za-z0-9_-]{20,}",
    r"|dop_v1_[A-Fa-f0-9]{32,}",
    r"|\bdapi[a-f0-9]{32}\b",
    r"|shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}",
    r"|\bhv[sb]\.[A-Za-z0-9_-]{24,}",
    // Postman, Linear, Notion, Grafana, Sentry, Tavily, Supabase, Atlassian, age
    r"|PMAK-[A-Za-z0-9]{24}-[A-Za-z0-9]{30,}",
    r"|lin_api_[A-Za-z0-9]{32,}",
    r"|\bntn_[A-Za-z0-9]{40,}",
    r"|glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}",
    r"|sntrys_[A-Za-z0-9+/=_-]{40,}",
    r"|\btvly-[A-Za-z0-9_-]{20,}",
    r"|\bsbp_[A-Za-z0-9]{40}",
    r"|ATATT3[A-Za-z0-9_=-]{40,}",
    r"|AGE-SECRET-KEY-1[A-Z0-9]{40,}",
    r"|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    // whole, with whatever stands at the head of it and of its lines in a log; or cut off: then lines of it as long as there
    // are any, and the piece of one at the end
    r"|-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?:(?:[^-]|-[^-])+-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----",
    r#"|(?:[\s|>+,'"]*(?:Version|Comment|Proc-Type|DEK-Info): [^\n\\]*)*(?:(?:[\s|>+,'"]|\\[nrt]|\bE\s)*[A-Za-z0-9+/]{32,}={0,2})*(?:(?:[\s|>+,'"]|\\[nrt]|\bE\s)*[A-Za-z0-9+/]+={0,2}$)?)"#,
);

#[expect(clippy::expect_used, reason = "a constant, compiled by every test of this file")]
static TOKEN: LazyLock<Regex> = LazyLock::new(|| Regex::new(SHAPES).expect("the shapes are a valid expression"));

/// Where a secret stands whose own shape says nothing: the group `s`, of what is left alone where it is but a placeholder.
const PLACES: &str = concat!(
    // the password of an address
    r#"(?i)[a-z][a-z0-9+.-]*://[^\s/:@?#'"<>\\]*:(?P<password>[^\s/@?#'"<>\\]{8,})@"#,
    r"|\bbearer[ \t]+(?P<bearer>[A-Za-z0-9._~+/-]{8,}=*)",
    r#"|aws_secret_access_key["']?[ \t]*[:=][ \t]*["']?(?P<aws>[A-Za-z0-9/+=]{40})"#,
    r"|\bAccountKey=(?P<azure>[A-Za-z0-9+/]{40,}={0,2})",
    r"|hooks\.slack\.com/(?:services|workflows|triggers)/(?P<slack>[A-Za-z0-9/_-]{20,})",
);

#[expect(clippy::expect_used, reason = "a constant, compiled by every test of this file")]
static PLACE: LazyLock<Regex> = LazyLock::new(|| Regex::new(PLACES).expect("the places are a valid expression"));

/// Secrets by the place where they stand, as ranges of `text`.
fn placed(text: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    let secret = |found: regex::Captures<'_>| {
        let part = found.iter().skip(1).flatten().next()?;
        (!is_placeholder(part.as_str())).then(|| part.range())
    };
    PLACE.captures_iter(text).filter_map(secret)
}

/// Words of a language (`your-password-here`, `DB_PASSWORD`), what a template fills in (`${PASSWORD}`, `<token>`), or one character
/// again and again.
fn is_placeholder(value: &str) -> bool {
    let is_filled_in = value.starts_with(['$', '{', '<', '[']) || value.starts_with("%(") || value.starts_with("#{");
    let same = value.chars().all(|c| value.starts_with(c));
    let is_word = |piece: &str| {
        let rest = piece.get(1..).unwrap_or_default();
        let one_case = rest.bytes().all(|b| b.is_ascii_lowercase()) || piece.bytes().all(|b| b.is_ascii_uppercase());
        piece.len() <= WORD_MOST_BYTES && piece.bytes().all(|b| b.is_ascii_alphabetic()) && one_case
    };
    is_filled_in || same || value.split(['_', '-', '.', '/']).all(is_word)
}

/// Is there a token of a known service in `text`?
pub fn holds_token(text: &str) -> bool {
    TOKEN.is_match(text)
}

/// Does this character show nothing, or steer how others are shown? Zero width, bidirectional marks, fillers, tags, variation
/// selectors, controls.
pub fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' | '\r' => false,
        c if c.is_control() => true,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' => true,
        '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => true,
        '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' => true,
        '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' => true,
        _ => false,
    }
}

/// Without characters that show nothing (zero width, bidirectional marks, tags, variation selectors, controls).
pub fn without_hidden(text: &str) -> String {
    text.chars().filter(|c| !is_hidden(*c)).collect()
}

/// Covers secrets in text: known values, and everything that looks like a token of a known service.
#[derive(Clone, Default)]
pub struct Mask {
    /// Longest first: a secret may be a part of another one.
    values: Vec<String>,
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({} values)", self.values.len())
    }
}

impl Mask {
    /// A mask for `secrets` and for all known token shapes. Of a secret with several lines each line is one, too.
    pub fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let mut values = Vec::new();
        for secret in secrets {
            let whole = secret.as_ref().trim();
            values.push(whole.to_owned());
            values.extend(whole.lines().map(|line| line.trim().to_owned()));
        }
        values.retain(|value| is_worth_covering(value));
        values.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        values.dedup();
        Self { values }
    }

    /// `text` with every secret covered.
    pub fn cover<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for value in &self.values {
            if text.contains(value.as_str()) {
                text = Cow::Owned(text.replace(value.as_str(), COVER));
            }
        }
        if let Cow::Owned(covered) = TOKEN.replace_all(&text, COVER) {
            text = Cow::Owned(covered);
        }
        let places: Vec<_> = placed(&text).collect();
        for place in places.into_iter().rev() {
            text.to_mut().replace_range(place, COVER);
        }
        text
    }

    /// Covers the secrets in every text of a JSON value; keys stay.
    pub fn cover_json(&self, value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) => {
                if let Cow::Owned(covered) = self.cover(text) {
                    *text = covered;
                }
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(|item| self.cover_json(item)),
            serde_json::Value::Object(map) => map.values_mut().for_each(|item| self.cover_json(item)),
            _ => {}
        }
    }
}

/// Are there more covers in `new` than in `old`? Whoever wrote it took one for a text of its own: nobody knows what stands behind
/// it.
pub fn invents_cover(old: &str, new: &str) -> bool {
    new.matches(COVER).count() > old.matches(COVER).count()
}

/// `new` with the secrets put back that `real` has where `covered`, the same text under a mask, has covers: in their order.
/// None when `new` has more or fewer of them, or the texts do not belong together.
pub fn put_back(real: &str, covered: &str, new: &str) -> Option<String> {
    let pieces: Vec<&str> = covered.split(COVER).collect();
    let (last, between) = pieces.split_last()?;
    let (first, between) = between.split_first().unwrap_or((&"", &[]));
    if pieces.len() == 1 {
        return (real == covered && !new.contains(COVER)).then(|| new.to_owned());
    }
    let mut rest = real.strip_prefix(first)?.strip_suffix(last)?;
    let mut secrets = Vec::new();
    for piece in between {
        // two covers in a row: nobody knows where one secret ends
        let at = if piece.is_empty() { None } else { rest.find(piece) }?;
        secrets.push(&rest[..at]);
        rest = &rest[at + piece.len()..];
    }
    secrets.push(rest);
    let texts: Vec<&str> = new.split(COVER).collect();
    let (head, tails) = texts.split_first()?;
    if tails.len() != secrets.len() {
        return None;
    }
    Some(secrets.iter().zip(tails).fold((*head).to_owned(), |out, (secret, text)| out + secret + text))
}

fn is_worth_covering(value: &str) -> bool {
    let is_word = value.len() <= WORD_MOST_BYTES && value.bytes().all(|b| b.is_ascii_lowercase());
    value.len() >= VALUE_LEAST_BYTES && !is_word
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tokens_of_known_services_are_covered_wherever_they_stand() {
        // put together here, so that scanners don't take this file for a leak
        let x = |n: usize| "aB3".repeat(n).chars().take(n).collect::<String>();
        for token in [
            format!("ghp_{}", x(36)),
            format!("github_pat_{}", x(40)),
            format!("sk-{}", x(48)),
            format!("sk-ant-api03-{}", x(40)),
            format!("sk-or-v1-{}", x(64)),
            format!("AKIA{}", "A1B2C3D4E5F6G7H8"),
            format!("xoxb-{}", x(20)),
            format!("glpat-{}", x(20)),
            format!("eyJ{}.eyJ{}.{}", x(20), x(20), x(20)),
            format!("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----", x(60)),
            format!(
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{}\n-----END RSA PRIVATE KEY-----",
                x(60)
            ),
            format!("gsk_{}", x(52)),
            format!("xai-{}", x(80)),
            format!("nvapi-{}", x(64)),
            format!("pplx-{}", x(48)),
            format!("r8_{}", x(37)),
        ] {
            let text = format!("url=https://x:{token}@host/ and more");
            assert!(holds_token(&text), "{token}");
            assert_eq!(Mask::default().cover(&text), "url=https://x:***@host/ and more");
        }
    }

    #[test]
    fn of_an_address_and_a_header_only_the_secret_is_covered() {
        let x = |n: usize| "aB3".repeat(n).chars().take(n).collect::<String>();
        for (text, covered) in [
            (format!("DB=postgres://app:{}@db:5432/x?y", x(12)), "DB=postgres://app:***@db:5432/x?y"),
            (format!("redis://:{}@h and http://a:{}@b", x(9), x(10)), "redis://:***@h and http://a:***@b"),
            (format!("Authorization: Bearer {}'", x(30)), "Authorization: Bearer ***'"),
            (format!("AWS_SECRET_ACCESS_KEY=\"{}\"", x(40)), "AWS_SECRET_ACCESS_KEY=\"***\""),
            (format!("AccountName=a;AccountKey={}==;X=y", x(86)), "AccountName=a;AccountKey=***;X=y"),
            (format!("https://hooks.slack.com/services/T0AB/B0CD/{}", x(24)), "https://hooks.slack.com/services/***"),
        ] {
            assert_eq!(Mask::default().cover(&text), covered);
        }
    }

    #[test]
    fn whoever_writes_more_covers_than_there_were_invents_one() {
        for (old, new, invents) in [("a", "a ***", true), ("***", "***", false), ("***", "", false), ("", "**", false)]
        {
            assert_eq!(invents_cover(old, new), invents, "{old} {new}");
        }
    }

    #[test]
    fn a_private_key_that_is_cut_off_is_covered_as_far_as_it_goes() {
        let line = "aB3/+9".repeat(11)[..64].to_owned();
        let begin = "-----BEGIN PRIVATE KEY-----";
        for (text, covered) in [
            (format!("key: {begin}\n{line}\n{line}\n"), "key: ***\n"),
            (format!("key: {begin}\n{line}\n{}", &line[..20]), "key: ***"),
            (format!("E   {begin}\nE   {line}\nE   {line}\nE   assert False"), "E   ***\nE   assert False"),
            (format!("'{begin}\\n{line}\\n{line}\\n' is wrong"), "'***\\n' is wrong"),
            (format!("{begin} is how it begins"), "*** is how it begins"),
            (
                format!(
                    "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 2\n\n{line}\n{line}\n-----END PGP PRIVATE KEY BLOCK-----\nx"
                ),
                "***\nx",
            ),
            (format!("-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 2\n\n{line}\n{line}"), "***"),
            (format!("{begin}\n{line}\n-----BEGIN CERTIFICATE-----\nx"), "***\n-----BEGIN CERTIFICATE-----\nx"),
        ] {
            assert_eq!(Mask::default().cover(&text), covered, "{text}");
        }
    }

    #[test]
    fn characters_that_show_nothing_or_reorder_others_are_taken_out_and_nothing_else() {
        for (text, seen) in [
            ("a\u{e0041}\u{e007f}b", "ab"),
            ("a\u{202e}b\u{200b}c\u{2060}d\u{1b}e", "abcde"),
            ("tab\tand\r\nend, é ñ 漢 🙂", "tab\tand\r\nend, é ñ 漢 🙂"),
        ] {
            assert_eq!(without_hidden(text), seen);
        }
    }

    #[test]
    fn ordinary_text_is_left_alone() {
        for text in [
            "/home/x/task-runner-with-a-long-name-of-many-words",
            "/opt/sk-learn-extra-something-else-long",
            "0123456789abcdef0123456789abcdef01234567",
            "tests/test_cart.py::test_total[npm_run_test]",
            "https://user:password@host/ and postgres://postgres:postgres@localhost/db",
            "redis://:your-password-here@host, amqp://u:${RABBIT_PASSWORD}@h, http://u:<password>@h, x://u:xxxxxxxxx@h",
            "Authorization: Bearer token, a bearer authentication scheme, Bearer YOUR_ACCESS_TOKEN, Bearer ${TOKEN_OF_CI}",
            "see https://example.org:8443/a/b@c and git@github.com:owner/name.git, scp://host:/path/long@x",
            "AccountKey=short;EndpointSuffix=core.windows.net and aws_secret_access_key = os.environ[NAME]",
            "https://hooks.slack.com/services/ is where they post",
            "dapi_version, hvs.name, whsec_test, glsa_x, sbp_list, ntn_index, tvly-x, PMAK-, lin_api_key, shpat_x, xapp-x",
            "glrt-runner, gldt-x, dop_v1_x, GOCSPX-x, ATATT3x, AGE-SECRET-KEY-1X, sntrys_x",
        ] {
            assert!(matches!(Mask::default().cover(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn known_values_are_covered_the_longer_first_but_not_short_ones_nor_words() {
        let mask = Mask::new(["hunter2!", "hunter2!-and-more", "abc", "postgres", "line one is long\nLine-2-is-long"]);
        assert_eq!(mask.cover("a hunter2!-and-more b hunter2! c abc d postgres"), "a *** b *** c abc d postgres");
        assert_eq!(mask.cover("only Line-2-is-long here"), "only *** here");
        assert_eq!(format!("{mask:?}"), "Mask(5 values)");
    }

    #[test]
    fn the_texts_of_a_json_value_are_covered_and_its_keys_are_not() {
        let mut value = serde_json::json!({"top-secret": ["top-secret\n", {"a": "x top-secret"}], "n": 1});
        Mask::new(["top-secret"]).cover_json(&mut value);
        assert_eq!(value, serde_json::json!({"top-secret": ["***\n", {"a": "x ***"}], "n": 1}));
    }

    #[test]
    fn secrets_come_back_into_a_text_that_was_written_under_covers() {
        let (a, b) = (format!("ghp_{}", "aB3".repeat(12)), format!("glpat-{}", "xY9".repeat(8)));
        let real = format!("a {a} b {b} c");
        let covered = Mask::default().cover(&real).into_owned();
        assert_eq!(covered, "a *** b *** c");
        assert_eq!(put_back(&real, &covered, "A *** and *** z").unwrap(), format!("A {a} and {b} z"));
        assert_eq!(put_back(&real, &covered, &covered).unwrap(), real);
        for wrong in ["A *** z", "*** *** ***", "none"] {
            assert_eq!(put_back(&real, &covered, wrong), None, "{wrong}");
        }
        assert_eq!(put_back("plain", "plain", "new").unwrap(), "new");
        assert_eq!(put_back("one ***", "one ***", "*** two").unwrap(), "*** two");
        assert_eq!(put_back("another", "a *** b", "***"), None);
    }

    proptest! {
        #[test]
        fn no_secret_is_left_in_any_text(before in ".{0,20}", secret in "[A-Z0-9]{8,20}", after in ".{0,20}") {
            let text = format!("{before}{secret}{after}");
            prop_assert!(!Mask::new([&secret]).cover(&text).contains(&secret));
        }
    }
}

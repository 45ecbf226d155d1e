//! A heal that a comment asks for, handed on from the job that reads comments to one that may run code, and to one that
//! publishes: what was decided about it, as one line of text.

use serde::{Deserialize, Serialize};

use super::deliver::Scene;
use super::names;

/// What is handed on. Written by a job that runs nothing from the repository; each name in it is looked at again all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Errand {
    /// The comment that asks for it.
    pub comment: u64,
    /// The commit that is healed.
    pub head: String,
    /// The branch that it is the tip of.
    pub branch: String,
    /// The pull request, where it is one.
    pub pull: Option<u64>,
    /// It comes from another repository.
    pub fork: bool,
    /// The branch whose rules hold.
    pub base: String,
    /// The tip of that, for a pull request.
    pub base_head: Option<String>,
    /// What else was asked for, as arguments of the command line's parser.
    pub rest: Vec<String>,
}

impl Errand {
    /// As one line.
    ///
    /// # Errors
    /// Never in practice: numbers and texts can be written.
    pub fn text(&self) -> Result<String, String> {
        serde_json::to_string(self).map_err(|error| error.to_string())
    }

    /// Reads it back in a job that the same comment has started.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn read(text: &str, comment: u64) -> Result<Self, String> {
        let errand: Errand = serde_json::from_str(text).map_err(|error| format!("the order can't be read: {error}"))?;
        if errand.comment != comment {
            return Err("the order is that of another comment".into());
        }
        let say = |bad: names::BadName| format!("the order is refused: {bad}");
        names::sha(&errand.head).map_err(say)?;
        names::branch(&errand.branch).map_err(say)?;
        names::branch(&errand.base).map_err(say)?;
        errand.base_head.as_deref().map(names::sha).transpose().map_err(say)?;
        Ok(errand)
    }

    /// What is healed, and where.
    pub fn scene(&self) -> Scene {
        Scene { head: self.head.clone(), branch: self.branch.clone(), pull: self.pull, fork: self.fork }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_comes_back_as_it_was_and_a_changed_one_does_not() {
        let errand = Errand {
            comment: 7,
            head: "1".repeat(40),
            branch: "feature".into(),
            pull: Some(3),
            fork: false,
            base: "main".into(),
            base_head: Some("2".repeat(40)),
            rest: vec!["undo".into(), "--free".into()],
        };
        let text = errand.text().unwrap();
        assert!(!text.contains('\n'));
        assert_eq!(Errand::read(&text, 7), Ok(errand.clone()));
        assert!(Errand::read(&text, 8).unwrap_err().contains("another comment"));
        let changed = |change: &dyn Fn(&mut Errand)| {
            let mut other = errand.clone();
            change(&mut other);
            Errand::read(&other.text().unwrap(), 7)
        };
        assert!(changed(&|e| e.head = "HEAD".into()).is_err());
        assert!(changed(&|e| e.branch = "$(x)".into()).is_err());
        assert!(changed(&|e| e.base = "--upload-pack=x".into()).is_err());
        assert!(changed(&|e| e.base_head = Some("x".into())).is_err());
        for text in ["", "{}", "[]", &text.replacen('{', "{\"cmd\": \"x\",", 1)] {
            assert!(Errand::read(text, 7).is_err(), "{text}");
        }
    }
}

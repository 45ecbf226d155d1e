//! The registry of fixers: the only list of them. A new fixer is one file and one line here.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::fixer::Fixer;
use crate::fixer::command::Command;
use crate::fixer::model::{ModelFixer, contract, minimal, regression, stepwise};
use crate::fixer::mutate::Mutate;
use crate::fixer::suggest::Suggest;
use crate::fixer::undo::Undo;

/// Every fixer there is, in the order in which they are started and shown.
pub fn all() -> Vec<Arc<dyn Fixer>> {
    vec![
        Arc::new(Suggest),
        Arc::new(Undo),
        Arc::new(Mutate),
        Arc::new(ModelFixer(&minimal::STRATEGY)),
        Arc::new(ModelFixer(&regression::STRATEGY)),
        Arc::new(ModelFixer(&contract::STRATEGY)),
        Arc::new(ModelFixer(&stepwise::STRATEGY)),
        Arc::new(Command),
    ]
}

/// The fixers of these names, in their order: who stands first is started, and asks models, first. All of them, in the order of
/// the registry, for no names.
///
/// # Errors
/// When a name is no fixer's: with the nearest one and the list.
pub fn by_names(names: &[String]) -> Result<Vec<Arc<dyn Fixer>>> {
    let all = all();
    if names.is_empty() {
        return Ok(all);
    }
    let known: Vec<&str> = all.iter().map(|f| f.name()).collect();
    for name in names {
        if !known.contains(&name.as_str()) {
            return Err(unknown(name, &known));
        }
    }
    let mut seen = BTreeSet::new();
    let wanted = names.iter().filter(|name| seen.insert(name.as_str()));
    Ok(wanted.filter_map(|name| all.iter().find(|fixer| fixer.name() == name).cloned()).collect())
}

/// Does the configuration tune only fixers that ask models?
///
/// # Errors
/// Naming the first that is none, with the nearest one.
pub fn check_tuned<'a>(mut names: impl Iterator<Item = &'a String>) -> Result<()> {
    let all = all();
    let known: Vec<&str> = all.iter().filter(|f| f.asks_models() && f.name() != "command").map(|f| f.name()).collect();
    match names.find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(unknown(name, &known)),
        None => Ok(()),
    }
}

fn unknown(name: &str, known: &[&str]) -> Error {
    let near = known.iter().map(|k| (strsim::jaro_winkler(k, name), k)).max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match near {
        Some((likeness, near)) if likeness > 0.7 => format!("did you mean `{near}`? There are: {}", known.join(", ")),
        _ => format!("there are: {}", known.join(", ")),
    };
    Error::usage(format!("there is no fixer `{name}`")).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_fixer_says_what_it_does() {
        let all = all();
        let names: BTreeSet<&str> = all.iter().map(|f| f.name()).collect();
        assert_eq!(names.len(), all.len());
        assert!(all.iter().all(|f| f.about().len() > 10 && !f.about().contains('\n')));
    }

    #[test]
    fn fixers_are_found_by_name_in_the_order_of_their_names() {
        let names = |list: &[&str]| -> Vec<&'static str> {
            let list: Vec<String> = list.iter().map(|n| (*n).to_string()).collect();
            by_names(&list).unwrap().iter().map(|f| f.name()).collect()
        };
        assert_eq!(names(&["undo", "suggest", "undo"]), ["undo", "suggest"]);
        assert_eq!(names(&[]).len(), all().len());
    }

    #[test]
    fn only_fixers_that_ask_models_can_be_tuned() {
        let names = |name: &str| check_tuned([name.to_owned()].iter());
        assert!(names("minimal").is_ok() && names("stepwise").is_ok());
        assert!(names("mutate").is_err() && names("minmal").unwrap_err().hint_text().unwrap().contains("`minimal`"));
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        let Err(error) = by_names(&["und".into()]) else { panic!("found") };
        assert!(error.hint_text().unwrap().contains("did you mean `undo`"), "{error:?}");
        let Err(error) = by_names(&["zzz".into()]) else { panic!("found") };
        assert!(error.hint_text().unwrap().starts_with("there are: "), "{error:?}");
    }
}

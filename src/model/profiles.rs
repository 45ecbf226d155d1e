//! Profiles: which models do which job, where the configuration does not name any.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::catalog::Tier;
use super::providers::OWN;
use super::router::Offer;

/// What a model is asked to do, as the configuration calls it (`roles.…`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Job {
    /// Propose edits.
    Fix,
    /// Sit in the council.
    Seats,
    /// Find what is wrong with an answer.
    Critic,
    /// Give points to a document.
    Reviewer,
    /// Rewrite a document.
    Writer,
    /// Say first what goes wrong in a run.
    Supervisor,
    /// Say it when the first one's advice did not help.
    SupervisorLast,
}

impl Job {
    /// All of them.
    pub const ALL: [Job; 7] =
        [Job::Fix, Job::Seats, Job::Critic, Job::Reviewer, Job::Writer, Job::Supervisor, Job::SupervisorLast];

    /// As in `roles.…` and in the profiles.
    pub fn name(self) -> &'static str {
        match self {
            Job::Fix => "fix",
            Job::Seats => "seats",
            Job::Critic => "critic",
            Job::Reviewer => "reviewer",
            Job::Writer => "writer",
            Job::Supervisor => "supervisor",
            Job::SupervisorLast => "supervisor_last",
        }
    }
}

type Profiles = BTreeMap<String, BTreeMap<String, Vec<String>>>;

static PROFILES: LazyLock<Profiles> =
    LazyLock::new(|| serde_yaml::from_str(include_str!("profiles.yml")).unwrap_or_default());

/// The profile that `models` (the configuration's list) stands for: that of its largest tier.
pub fn of(models: &[String]) -> &'static str {
    let has = |word: &str| models.iter().any(|m| m == word);
    if has("paid") {
        "paid"
    } else if has("free") {
        "free"
    } else {
        "local"
    }
}

/// What `models` lets in: in free mode nobody with a price, whose profile would name nobody on this machine.
pub fn lets_in(models: &[String], free_only: bool) -> Vec<String> {
    models.iter().filter(|m| !(free_only && *m == "paid")).cloned().collect()
}

/// The names of the offers that `entries` mean (tiers, `own`, `provider/model`), in the order of the entries.
pub fn expand(entries: &[String], offers: &[Offer]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for entry in entries {
        let means = |offer: &&Offer| match entry.as_str() {
            "local" => offer.tier == Tier::Local,
            "free" => offer.tier == Tier::Free,
            "paid" => offer.tier == Tier::Paid,
            OWN => offer.name.starts_with("own/"),
            named => offer.name == named,
        };
        for offer in offers.iter().filter(means) {
            if !names.contains(&offer.name) {
                names.push(offer.name.clone());
            }
        }
    }
    names
}

/// Who does `job`: those that the configuration names (when none of them can be asked, nobody does), else the profile's
/// that can be asked; empty means whoever is adequate.
pub fn named(job: Job, configured: &[String], models: &[String], offers: &[Offer]) -> Vec<String> {
    if !configured.is_empty() {
        let names = expand(configured, offers);
        return if names.is_empty() { configured.to_vec() } else { names };
    }
    let entries = PROFILES.get(of(models)).and_then(|p| p.get(job.name()));
    let mut entries = entries.cloned().unwrap_or_default();
    // whom the configuration lets in by name may do every job
    entries.extend(models.iter().filter(|m| m.contains('/') || *m == OWN).cloned());
    let mut names = expand(&entries, offers);
    // the environment's own server elsewhere, of which the environment says that it costs nothing, is used by itself
    let given = offers.iter().filter(|o| o.tier == Tier::Free && o.name.split_once('/').is_some_and(|n| n.0 == OWN));
    for offer in given {
        if !names.contains(&offer.name) {
            names.push(offer.name.clone());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::super::{catalog, providers, settings::WORDS};
    use super::*;

    fn offer(name: &str, tier: Tier) -> Offer {
        let (name, family) = (name.to_owned(), name.to_owned());
        let (price, left, back) = (None, None, None);
        Offer { name, family, tier, price, context: 8192, strength: 3, thinking: 0, named: false, left, back }
    }

    #[test]
    fn every_profile_names_somebody_for_every_job_whom_the_catalog_knows() {
        for profile in ["local", "free", "paid"] {
            for job in Job::ALL {
                let entries = &PROFILES[profile][job.name()];
                assert!(!entries.is_empty());
                for entry in entries.iter().filter(|e| !WORDS.contains(&e.as_str())) {
                    let (provider, id) = entry.split_once('/').unwrap();
                    assert!(providers::find(provider).is_some());
                    let known = catalog::find(provider, id).unwrap_or_else(|| panic!("{entry} is not in the catalog"));
                    assert!(known.free || profile == "paid", "{entry} costs something in {profile}");
                }
            }
        }
    }

    #[test]
    fn the_supervisor_is_deepseek_flash_for_nothing_then_deepseek_pro_for_money_and_whoever_is_named_instead() {
        const FLASH: &str = "openrouter/deepseek/deepseek-v4-flash:free";
        const PRO: &str = "openrouter/deepseek/deepseek-v4-pro";
        let offers = [offer("ollama/a", Tier::Local), offer(FLASH, Tier::Free), offer(PRO, Tier::Paid)];
        let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let first = |job, configured: &[&str], models: &[&str]| {
            named(job, &words(configured), &words(models), &offers).first().cloned().unwrap_or_default()
        };
        for models in [&["local", "free"][..], &["free", "paid"]] {
            assert_eq!(first(Job::Supervisor, &[], models), FLASH);
        }
        assert_eq!(first(Job::SupervisorLast, &[], &["free", "paid"]), PRO);
        assert_eq!(first(Job::Supervisor, &["ollama/a"], &["free", "paid"]), "ollama/a");
        assert_eq!(first(Job::Supervisor, &[], &["local"]), "ollama/a");
        let pro = catalog::find("openrouter", "deepseek/deepseek-v4-pro").unwrap();
        assert!(!pro.free && pro.price.is_none(), "its price is not known: it counts as paid");
    }

    #[test]
    fn the_environments_own_server_does_every_job_wherever_it_is() {
        let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let (here, priced, given) =
            (offer("ollama/a", Tier::Local), offer("own/b", Tier::Paid), offer("own/c", Tier::Free));
        for job in Job::ALL {
            let of = |models: &[&str], offers: &[Offer]| named(job, &[], &words(models), offers);
            assert_eq!(of(&["own"], std::slice::from_ref(&priced)), ["own/b"], "{job:?}");
            assert_eq!(of(&["local", "own"], &[here.clone(), priced.clone()]), ["ollama/a", "own/b"], "{job:?}");
            assert_eq!(of(&["local"], &[here.clone(), priced.clone()]), ["ollama/a"], "{job:?}: nobody let it in");
            let by_itself = of(&["local"], &[here.clone(), given.clone()]);
            assert_eq!(by_itself, ["ollama/a", "own/c"], "{job:?}: said to cost nothing");
        }
    }

    #[test]
    fn in_free_mode_every_job_falls_back_to_this_machine_whatever_else_is_let_in() {
        let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let offers = [offer("ollama/a", Tier::Local), offer("openrouter/qwen/qwen3-coder:free", Tier::Free)];
        for models in [&["local", "free", "paid"][..], &["paid", "local"]] {
            let models = lets_in(&words(models), true);
            for job in Job::ALL {
                let names = named(job, &[], &models, &offers);
                assert!(names.contains(&"ollama/a".to_owned()), "{job:?} with {models:?}: {names:?}");
            }
        }
        let all = words(&["local", "paid"]);
        assert_eq!(lets_in(&all, false), all);
    }

    #[test]
    fn the_configuration_comes_before_the_profile_and_does_not_fall_back() {
        let offers = [
            offer("ollama/a", Tier::Local),
            offer("openrouter/qwen/qwen3-coder:free", Tier::Free),
            offer("openai/b", Tier::Paid),
        ];
        let models = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let of = |job, configured: &[&str], words: &[&str]| named(job, &models(configured), &models(words), &offers);
        assert_eq!(of(Job::Fix, &[], &["local"]), ["ollama/a"]);
        assert_eq!(of(Job::Seats, &[], &["local", "free"]), ["openrouter/qwen/qwen3-coder:free", "ollama/a"]);
        assert_eq!(of(Job::Fix, &[], &["local", "openai/b"]), ["ollama/a", "openai/b"], "let in by name");
        assert_eq!(of(Job::SupervisorLast, &[], &["paid"]), ["openai/b"]);
        assert_eq!(of(Job::Writer, &["openai/b"], &["local"]), ["openai/b"]);
        assert_eq!(of(Job::Writer, &["groq/gone"], &["local"]), ["groq/gone"], "whom nobody can ask: nobody is asked");
    }
}

//! The router: who is asked. The cheapest adequate model that is available; one with a price only with evidence in hand.

use std::collections::BTreeMap;
use std::time::Duration;

use super::catalog::{Price, Tier};
use super::money::Money;
use super::{Role, tokens};

/// A model that could be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// `provider/id`.
    pub name: String,
    /// Who is one and the same behind several names.
    pub family: String,
    /// What asking it means.
    pub tier: Tier,
    /// None where it is not known, or there is none.
    pub price: Option<Price>,
    /// Tokens of context.
    pub context: u64,
    /// 1 to 10.
    pub strength: u8,
    /// Tokens that it may think on top of its answer.
    pub thinking: u64,
    /// The configuration names exactly it: then the order of the names is the user's.
    pub named: bool,
    /// Why it is left alone.
    pub left: Option<String>,
    /// When it is left alone for a while only: how long still.
    pub back: Option<Duration>,
}

impl Offer {
    /// The most that asking it for `need` can cost.
    pub fn worst_case(&self, need: &Need) -> Money {
        worst_case(self.price, need.prompt_most, need.answer_tokens.saturating_add(self.thinking))
    }
}

/// Why a larger or paid model may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// Candidates turned red tests green.
    Progress {
        /// How many.
        green: usize,
    },
    /// These models tried and did not change the failing set.
    Stall {
        /// `provider/id`.
        models: Vec<String>,
    },
    /// The fixers that need no model are done, and nothing was healed.
    ModelFreeDone,
    /// A person named exactly this model for this.
    Named,
}

impl Evidence {
    /// In words, for the event and the log.
    pub fn words(&self) -> String {
        match self {
            Evidence::Progress { green } => format!("{green} red tests turned green"),
            Evidence::Stall { models } => format!("no progress with {}", models.join(", ")),
            Evidence::ModelFreeDone => "the fixers without a model are done and nothing is healed".to_owned(),
            Evidence::Named => "a person named it".to_owned(),
        }
    }
}

/// What is to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What for.
    pub role: Role,
    /// Tokens of the prompt, estimated.
    pub prompt_tokens: u64,
    /// The prompt has no more tokens than this, whoever counts them.
    pub prompt_most: u64,
    /// Most tokens of the answer.
    pub answer_tokens: u64,
    /// What was seen so far.
    pub evidence: Option<Evidence>,
    /// Only these models (`provider/model`); empty: any.
    pub models: Vec<String>,
    /// None of these families.
    pub not_families: Vec<String>,
}

/// Who is asked, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Index of the offer; none when nobody may be asked.
    pub chosen: Option<usize>,
    /// One line that explains it.
    pub line: String,
}

/// The most that a turn can cost.
pub fn worst_case(price: Option<Price>, prompt: u64, answer: u64) -> Money {
    price.map_or(Money::ZERO, |p| Money::of_tokens(prompt, p.prompt).plus(Money::of_tokens(answer, p.answer)))
}

/// Where an offer stands among those who may be asked; the least is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    tier: Tier,
    cost: Money,
    /// The user's own place for it.
    place: usize,
    /// So weak for its role that any other one comes first.
    weak: bool,
    size: u8,
    /// In the list, where nothing else tells two apart.
    at: usize,
}

/// Inside of one tier and cost the order in which a server lists its models says nothing: the smaller adequate one comes
/// first, and the larger one when there was progress. Names that the user wrote keep their order.
fn rank(need: &Need, offer: &Offer, at: usize) -> Rank {
    let said = || need.models.iter().position(|name| *name == offer.name).unwrap_or(at);
    let place = if offer.named { said() } else { usize::MAX };
    let size = if opens_larger(need) { u8::MAX - offer.strength } else { offer.strength };
    let weak = offer.strength < least_strength(need.role);
    Rank { tier: offer.tier, cost: offer.worst_case(need), place, weak, size, at }
}

/// Red tests turned green: a larger model is worth its time. After a stall only larger ones are fit, the smallest first.
fn opens_larger(need: &Need) -> bool {
    match &need.evidence {
        Some(Evidence::Progress { .. }) => true,
        Some(Evidence::Stall { .. } | Evidence::ModelFreeDone | Evidence::Named) | None => false,
    }
}

/// Weaker models are asked only when nobody else of their tier is there. Edits are tried out, so that a small model does no
/// harm there and a stall opens the way; nobody tries out what the other roles say.
fn least_strength(role: Role) -> u8 {
    match role {
        Role::Fix => 2,
        Role::Answer | Role::Criticise | Role::Score | Role::Write | Role::Diagnose => 3,
        Role::Embed => 1,
    }
}

/// Decides. `offers` are in the user's order of preference, which breaks ties.
pub fn route(need: &Need, offers: &[Offer]) -> Decision {
    let (stalled, stalled_strength) = stalled(need, offers);
    let mut refused: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut fit: Vec<Rank> = Vec::new();
    for (i, offer) in offers.iter().enumerate() {
        if let Some(why) = unfit(need, offer, stalled, stalled_strength) {
            refused.entry(why).or_default().push(&offer.name);
            continue;
        }
        fit.push(rank(need, offer, i));
    }
    let best = fit.iter().min();
    let mut line = match best {
        Some(Rank { at, cost, .. }) => {
            let offer = &offers[*at];
            format!("{}: {} ({}, at most {cost})", need.role.name(), offer.name, offer.tier.name())
        }
        None => format!("{}: nobody", need.role.name()),
    };
    for other in best.into_iter().flat_map(|best| fit.iter().filter(|other| is_beside(best, other))) {
        let (name, strength) = (&offers[other.at].name, offers[other.at].strength);
        if best.is_some_and(|best| strength > offers[best.at].strength) {
            refused.entry("larger, and no evidence yet that it takes one".into()).or_default().push(name);
        }
    }
    if let Some(evidence) = &need.evidence {
        line.push_str(&format!("; evidence: {}", evidence.words()));
    }
    for (why, names) in &refused {
        line.push_str(&format!("; not {}: {why}", names.join(", ")));
    }
    Decision { chosen: best.map(|best| best.at), line }
}

/// Does nothing but their size tell the two apart?
fn is_beside(best: &Rank, other: &Rank) -> bool {
    (other.tier, other.cost, other.place, other.weak) == (best.tier, best.cost, best.place, best.weak)
}

/// The models that got nowhere, and the strength of the best of them.
fn stalled<'a>(need: &'a Need, offers: &[Offer]) -> (&'a [String], u8) {
    let stalled: &[String] = match &need.evidence {
        Some(Evidence::Stall { models }) => models,
        Some(Evidence::Progress { .. } | Evidence::ModelFreeDone | Evidence::Named) | None => &[],
    };
    let strength = offers.iter().filter(|o| stalled.contains(&o.name)).map(|o| o.strength).max().unwrap_or(0);
    (stalled, strength)
}

/// When nobody may be asked now: how long until the first of those who would be fit is back. None when somebody can be
/// asked, and when waiting brings nobody.
pub fn back(need: &Need, offers: &[Offer]) -> Option<Duration> {
    let (stalled, strength) = stalled(need, offers);
    let fit = |offer: &Offer| unfit(need, offer, stalled, strength).is_none();
    if offers.iter().any(fit) {
        return None;
    }
    let returning = offers.iter().filter(|o| fit(&Offer { left: None, ..(*o).clone() }));
    returning.filter_map(|o| o.back).min()
}

fn unfit(need: &Need, offer: &Offer, stalled: &[String], stalled_strength: u8) -> Option<String> {
    if let Some(why) = &offer.left {
        let back = offer.back.map(|b| format!(" (again in {} s)", b.as_secs_f64().ceil())).unwrap_or_default();
        return Some(format!("{why}{back}"));
    }
    if !need.models.is_empty() && !need.models.contains(&offer.name) {
        return Some("not named for this turn".into());
    }
    if need.not_families.contains(&offer.family) {
        return Some(format!("of the family {}, which may not answer here", offer.family));
    }
    if offer.context < need.prompt_tokens + need.answer_tokens + offer.thinking {
        return Some(format!("context of {} tokens is too small", offer.context));
    }
    if stalled.contains(&offer.name) {
        return Some("made no progress".into());
    }
    if !stalled.is_empty() && offer.strength <= stalled_strength {
        return Some("not stronger than what stalled".into());
    }
    match (offer.tier, &need.evidence, offer.price) {
        (Tier::Local | Tier::Free, _, _) => None,
        (Tier::Paid, None, _) => Some("paid, and no evidence yet".into()),
        // its worst case can't be reserved
        (Tier::Paid, Some(_), None) => Some("paid, and its price is not known".into()),
        (Tier::Paid, Some(_), Some(_)) => None,
    }
}

/// Tokens that a prompt for the smallest fitting offer may have, when the answer may have `answer` tokens.
pub fn room(offers: &[Offer], answer: u64) -> u64 {
    let usable =
        offers.iter().filter(|o| o.left.is_none()).map(|o| o.context.saturating_sub(o.thinking)).min().unwrap_or(0);
    // a tenth for what our estimate gets wrong
    usable.saturating_sub(answer) * 9 / 10
}

/// The tokens of a conversation, for [`Need`].
pub fn prompt_tokens(messages: &[super::Message]) -> u64 {
    tokens::of_messages(messages)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn offer(name: &str, tier: Tier, cents: u64, strength: u8) -> Offer {
        let price = (cents > 0).then(|| Price { prompt: Money::cents(cents), answer: Money::cents(cents * 4) });
        let family = name.trim_end_matches(":free").rsplit('/').next().unwrap_or(name).to_owned();
        let (name, left, back) = (name.to_owned(), None, None);
        Offer { name, family, tier, price, context: 8192, strength, thinking: 0, named: false, left, back }
    }

    fn need(evidence: Option<Evidence>) -> Need {
        let (models, not_families) = (Vec::new(), Vec::new());
        let (prompt_tokens, prompt_most, answer_tokens) = (2000, 2000, 500);
        Need { role: Role::Fix, prompt_tokens, prompt_most, answer_tokens, evidence, models, not_families }
    }

    fn offers() -> Vec<Offer> {
        vec![
            offer("openai/big", Tier::Paid, 125, 10),
            offer("groq/small", Tier::Paid, 10, 6),
            offer("openrouter/gift:free", Tier::Free, 0, 8),
            offer("llama.cpp/coder", Tier::Local, 0, 2),
            offer("own/unknown", Tier::Paid, 0, 3),
        ]
    }

    fn chosen(need: &Need, offers: &[Offer]) -> Option<String> {
        route(need, offers).chosen.map(|i| offers[i].name.clone())
    }

    #[test]
    fn the_cheapest_is_asked_first_and_a_stronger_one_after_a_stall() {
        let all = offers();
        let stall = |names: &[&str]| Some(Evidence::Stall { models: names.iter().map(|n| (*n).to_owned()).collect() });
        assert_eq!(chosen(&need(None), &all).unwrap(), "llama.cpp/coder");
        assert_eq!(chosen(&need(stall(&["llama.cpp/coder"])), &all).unwrap(), "openrouter/gift:free");
        let both = stall(&["llama.cpp/coder", "openrouter/gift:free"]);
        assert_eq!(chosen(&need(both), &all).unwrap(), "openai/big", "a weaker paid one would be money for nothing");
    }

    #[test]
    fn of_two_that_cost_the_same_the_smaller_is_asked_until_there_is_evidence_for_the_larger() {
        let local = |name: &str, strength| offer(name, Tier::Local, 0, strength);
        let stall = Evidence::Stall { models: vec!["own/coder-1.5b".into()] };
        let progress = Evidence::Progress { green: 1 };
        for (tier, cents) in [(Tier::Local, 0), (Tier::Free, 0), (Tier::Paid, 10)] {
            for (evidence, who) in [
                (None, "own/coder-1.5b"),
                (Some(Evidence::ModelFreeDone), "own/coder-1.5b"),
                (Some(progress.clone()), "own/big-70b"),
                (Some(stall.clone()), "own/big-70b"),
            ] {
                let two = [offer("own/big-70b", tier, cents, 6), offer("own/coder-1.5b", tier, cents, 2)];
                let asked = chosen(&need(evidence.clone()), &two);
                let nobody = tier == Tier::Paid && evidence.is_none();
                assert_eq!(asked.as_deref(), Some(who).filter(|_| !nobody), "{tier:?} {evidence:?}");
            }
        }
        let three = [local("own/a-70b", 6), local("own/b-7b", 3), local("own/coder-1.5b", 2)];
        assert_eq!(chosen(&need(Some(stall)), &three).unwrap(), "own/b-7b", "the smallest that is larger");
        assert!(route(&need(None), &three).line.contains("not own/a-70b, own/b-7b: larger, and no evidence yet"));
        // too weak for what nobody tries out, and for anything
        let judge = Need { role: Role::Criticise, ..need(None) };
        assert_eq!(chosen(&judge, &three).unwrap(), "own/b-7b");
        assert_eq!(chosen(&judge, &three[2..]).unwrap(), "own/coder-1.5b", "nobody else is there");
        let toy = [local("own/toy-0.5b", 1), local("own/b-7b", 3)];
        assert_eq!(chosen(&need(None), &toy).unwrap(), "own/b-7b");
    }

    #[test]
    fn names_that_the_user_wrote_keep_their_order_whatever_their_size() {
        let named = |name: &str, strength| Offer { named: true, ..offer(name, Tier::Local, 0, strength) };
        let all = [named("own/big-70b", 6), named("own/small-7b", 3), offer("own/coder-1.5b", Tier::Local, 0, 2)];
        assert_eq!(chosen(&need(None), &all).unwrap(), "own/big-70b", "as in `models`");
        let roles = Need { models: vec!["own/small-7b".into(), "own/big-70b".into()], ..need(None) };
        assert_eq!(chosen(&roles, &all).unwrap(), "own/small-7b", "as in `roles`");
    }

    #[test]
    fn a_price_needs_evidence_and_an_unknown_price_is_never_paid() {
        let paid = vec![offers().remove(0), offers().remove(1), offers().remove(4)];
        assert_eq!(chosen(&need(None), &paid), None);
        assert_eq!(chosen(&need(Some(Evidence::ModelFreeDone)), &paid).unwrap(), "groq/small");
        assert_eq!(chosen(&need(Some(Evidence::ModelFreeDone)), &paid[2..]), None);
    }

    #[test]
    fn named_models_and_families_that_may_not_answer_narrow_the_choice() {
        let all = offers();
        let named = Need { models: vec!["openrouter/gift:free".into()], ..need(None) };
        assert_eq!(chosen(&named, &all).unwrap(), "openrouter/gift:free");
        let other = Need { not_families: vec!["coder".into()], ..need(None) };
        assert_eq!(chosen(&other, &all).unwrap(), "openrouter/gift:free");
        let nobody = Need { not_families: vec!["coder".into(), "gift".into()], ..need(None) };
        let decision = route(&nobody, &all);
        assert_eq!(decision.chosen, None);
        assert!(decision.line.contains("not llama.cpp/coder: of the family coder"), "{}", decision.line);
    }

    #[test]
    fn one_line_says_who_and_why_and_why_not_the_others() {
        let mut all = offers();
        all[3].left = Some("out-of-credit".into());
        all[2].context = 1000;
        let line = route(&need(Some(Evidence::Progress { green: 2 })), &all).line;
        assert!(!line.contains('\n'));
        for part in [
            "fix: groq/small (paid, at most $0.0004",
            "2 red tests turned green",
            "not llama.cpp/coder: out-of-credit",
            "1000 tokens is too small",
            "price is not known",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }

    #[test]
    fn who_is_left_for_a_while_is_waited_for_only_when_nobody_else_is_fit_and_it_is() {
        let mut all = offers();
        let soon = Some(Duration::from_millis(2500));
        (all[3].left, all[3].back) = (Some("rate-limited".into()), soon);
        assert_eq!(back(&need(None), &all), None, "the free one can be asked now");
        (all[2].left, all[2].back) = (Some("server-failed".into()), Some(Duration::from_secs(9)));
        assert_eq!(back(&need(None), &all), soon);
        assert!(route(&need(None), &all).line.contains("rate-limited (again in 3 s)"));
        let large = Need { prompt_tokens: 9000, ..need(None) };
        assert_eq!(back(&large, &all), None, "waiting does not make room");
        let named = Need { models: vec!["openrouter/gift:free".into()], ..need(None) };
        assert_eq!(back(&named, &all), Some(Duration::from_secs(9)));
        all[2].back = None;
        assert_eq!(back(&named, &all), None, "left for the run");
    }

    #[test]
    fn what_a_model_may_think_is_in_its_worst_case_and_has_to_fit_its_context() {
        let mut thinker = offer("openai/big", Tier::Paid, 125, 10);
        thinker.thinking = 4000;
        let plain = offer("openai/big", Tier::Paid, 125, 10).worst_case(&need(None));
        assert_eq!(thinker.worst_case(&need(None)), plain.plus(Money::of_tokens(4000, Money::cents(500))));
        thinker.context = 2500;
        assert_eq!(chosen(&need(Some(Evidence::Named)), &[thinker]), None);
    }

    proptest! {
        #[test]
        fn without_evidence_nothing_with_a_price_is_chosen(cents in prop::collection::vec(0u64..50, 0..6), tiers in prop::collection::vec(0u8..3, 6)) {
            let all: Vec<Offer> = cents.iter().zip(&tiers).enumerate().map(|(i, (c, t))| {
                let tier = [Tier::Local, Tier::Free, Tier::Paid][usize::from(*t)];
                offer(&format!("m{i}"), tier, if tier == Tier::Paid { *c } else { 0 }, 3)
            }).collect();
            if let Some(i) = route(&need(None), &all).chosen {
                prop_assert!(all[i].tier != Tier::Paid);
            }
        }
    }
}

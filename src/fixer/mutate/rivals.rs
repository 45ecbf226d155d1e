//! Which of several green candidates is right: those that behave alike on further inputs are one group; groups are
//! weighed by what speaks for their members and against their behaviour.

use super::probe::Answer;

/// One green candidate.
#[derive(Debug, Clone, Default)]
pub struct Rival {
    /// Suspicion of the place times the prior of the edit.
    pub weight: f64,
    /// Deletes, or makes a condition constant: comes last.
    pub labelled: bool,
    /// Bytes that differ: the smaller, the better.
    pub size: usize,
    /// File and line of a value that it only makes another type of: those of one line behave alike.
    pub converts: Option<(Vec<u8>, usize)>,
    /// What it answers to each input; `None`: unknown.
    pub answers: Vec<Option<Answer>>,
}

/// The choice.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The winner.
    pub winner: usize,
    /// Best member of each group, best group first, with the group's share of all weight.
    pub groups: Vec<(usize, f64)>,
    /// What speaks for the winner and those that behave like it.
    pub mass: f64,
    /// That is next to nothing.
    pub is_far_fetched: bool,
    /// A rival of comparable weight that answers differently, and the input where it does; none where nobody knows.
    pub disagrees: Option<(usize, Option<usize>)>,
}

/// A second group of at least this share of the winner's weight makes a choice doubtful. Of 25 choices on 36 programs in
/// Python that nobody had looked at (2026-11-30) 0.5 takes ten rightly and none wrongly, 0.6 twelve and two, 0.7 fourteen
/// and three, 0.8 fourteen and four, and to take all 19 and six.
const DOUBTFUL: f64 = 0.6;

/// The same where nothing is known of what both answer: they may well answer the same. An estimate.
const DOUBTFUL_UNKNOWN: f64 = 0.7;

/// Less than this speaks for what is far-fetched: the tests ask for it, and hardly anybody ever mends a slip like this.
/// Between 0.1 and 0.3 four of five were right on those programs and 24 in JavaScript.
const FAR_FETCHED: f64 = 0.1;

/// Labelled patches count this much.
const LABELLED: f64 = 0.02;

/// Chooses among `rivals` (not empty). `own`: so many inputs at the front are the tests' own. `before`: what the tree
/// answered when it was green, if that is known. Pure: the same arguments, the same choice.
pub fn choose(rivals: &[Rival], own: usize, before: Option<&[Option<Answer>]>) -> Choice {
    let groups = alike(rivals, own);
    let trouble = Trouble::new(rivals, own);
    let least = before.and_then(|b| rivals.iter().map(|r| unlike(&r.answers, b)).min()).unwrap_or(0);
    let like = |rival: &Rival| before.map_or(1.0, |b| likeness(unlike(&rival.answers, b), least));
    let mut weighed: Vec<(usize, f64)> = groups
        .iter()
        .map(|members| {
            let best = best_of(rivals, members);
            let quality = trouble.quality(&rivals[best]) * like(&rivals[best]);
            (best, mass(rivals, members) * quality)
        })
        .collect();
    weighed.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let total: f64 = weighed.iter().map(|g| g.1).sum();
    let (winner, top) = weighed[0];
    let disagrees = weighed.get(1).and_then(|second| {
        let input = difference(&rivals[winner].answers, &rivals[second.0].answers);
        let least = if input.is_some() { DOUBTFUL } else { DOUBTFUL_UNKNOWN };
        (second.1 >= top * least).then_some((second.0, input))
    });
    let groups = weighed.into_iter().map(|(at, mass)| (at, if total > 0.0 { mass / total } else { 0.0 })).collect();
    let is_far_fetched = top < FAR_FETCHED && !rivals[winner].labelled;
    Choice { winner, groups, mass: top, is_far_fetched, disagrees }
}

/// Digests of a rival's answers, or of all members of a group: what one of them answers.
type Known<'a> = Vec<Option<&'a str>>;

fn digests(rival: &Rival) -> Known<'_> {
    rival.answers.iter().map(|answer| Some(answer.as_ref()?.digest.as_str())).collect()
}

/// Rivals that behave alike: they answer the same wherever both answers are known. Of whom nothing is known that is known of
/// another one, nobody can say that it behaves like that one.
fn alike(rivals: &[Rival], tested: usize) -> Vec<Vec<usize>> {
    let known: Vec<Known<'_>> = rivals.iter().map(digests).collect();
    let mut order: Vec<usize> = (0..rivals.len()).collect();
    // those of whom most is known first, so that others find what to be compared with
    order.sort_by_key(|at| (std::cmp::Reverse(known[*at].iter().flatten().count()), *at));
    let mut groups: Vec<(Known<'_>, Vec<usize>)> = Vec::new();
    for at in order {
        let own = &known[at];
        let weight = |members: &[usize]| members.iter().map(|m| worth(&rivals[*m])).fold(0.0, f64::max);
        let converts = &rivals[at].converts;
        let is_alike =
            |members: &[usize]| converts.is_some() && members.iter().any(|m| rivals[*m].converts == *converts);
        let fitting = groups.iter_mut().filter(|(group, members)| agree(group, own, tested) || is_alike(members));
        match fitting.max_by(|a, b| weight(&a.1).total_cmp(&weight(&b.1))) {
            Some((group, members)) => {
                group.resize(group.len().max(own.len()), None);
                group.iter_mut().zip(own).for_each(|(known, own)| *known = known.or(*own));
                members.push(at);
            }
            None => groups.push((own.clone(), vec![at])),
        }
    }
    groups.into_iter().map(|(_, members)| members).collect()
}

/// The same wherever both are known, and something is that the tests do not ask: there green candidates always agree.
fn agree(a: &[Option<&str>], b: &[Option<&str>], tested: usize) -> bool {
    let both = || a.iter().zip(b).enumerate().filter_map(|(at, (a, b))| Some((at, a.as_ref()?, b.as_ref()?)));
    let is_tested_only = a.len() <= tested;
    both().all(|(_, a, b)| a == b) && both().any(|(at, ..)| at >= tested || is_tested_only)
}

/// The weight of a group: its best member in full, others ever less, since many edits can say the same thing.
fn mass(rivals: &[Rival], members: &[usize]) -> f64 {
    let mut weights: Vec<f64> = members.iter().map(|m| worth(&rivals[*m])).collect();
    weights.sort_by(|a, b| b.total_cmp(a));
    weights.iter().enumerate().map(|(n, w)| w * 0.5_f64.powi(n as i32)).sum()
}

fn worth(rival: &Rival) -> f64 {
    rival.weight * if rival.labelled { LABELLED } else { 1.0 }
}

/// Members of a group behave alike, so the smallest edit reads best: `low <= high` rather than `low - 1 < high`. Those
/// of less than this share of the greatest weight are no match for it, however small: further inputs do not tell everything
/// apart, `at // 3` from `(at - 1) // 2` in a heap that is only ever sorted. An estimate.
const A_MATCH: f64 = 0.6;
/// Edits that differ by less than a short token are equally small: `+=` is no more than `=`. An estimate.
const A_TOKEN: usize = 3;

/// The group's member to propose: not labelled, among those of comparable weight the smallest, then the most probable.
fn best_of(rivals: &[Rival], members: &[usize]) -> usize {
    let greatest = members.iter().map(|m| worth(&rivals[*m])).fold(0.0, f64::max);
    let mut sorted = members.to_vec();
    sorted.sort_by(|a, b| {
        let (x, y) = (&rivals[*a], &rivals[*b]);
        let far = |rival: &Rival| worth(rival) < greatest * A_MATCH;
        (x.labelled, far(x))
            .cmp(&(y.labelled, far(y)))
            .then(x.size.div_ceil(A_TOKEN).cmp(&y.size.div_ceil(A_TOKEN)))
            .then(y.weight.total_cmp(&x.weight))
            .then(a.cmp(b))
    });
    sorted[0]
}

/// Inputs on which some rival answers and another one raises or never ends.
struct Trouble {
    own: usize,
    answered: Vec<bool>,
}

impl Trouble {
    fn new(rivals: &[Rival], own: usize) -> Self {
        let most = rivals.iter().map(|r| r.answers.len()).max().unwrap_or(0);
        let fine =
            |r: &Rival, at: usize| !r.labelled && matches!(r.answers.get(at), Some(Some(a)) if !a.raised && !a.endless);
        Self { own, answered: (0..most).map(|at| rivals.iter().any(|r| fine(r, at))).collect() }
    }

    /// 1.0: never in trouble where another one is not; down to 0.1.
    fn quality(&self, rival: &Rival) -> f64 {
        let (mut asked, mut bad) = (0.0_f64, 0.0);
        for (at, answer) in rival.answers.iter().enumerate().skip(self.own) {
            let Some(answer) = answer else { continue };
            if !self.answered[at] {
                continue;
            }
            asked += 1.0;
            bad += if answer.endless { 2.0 } else { f64::from(u8::from(answer.raised)) };
        }
        if asked == 0.0 { 1.0 } else { (1.0 - 2.0 * bad / asked).max(0.1) }
    }
}

/// Each input that a rival answers otherwise than the green tree did, beyond those that no rival answers as it did,
/// costs this factor. An estimate: a change may mean to answer a few inputs differently.
const UNLIKE: f64 = 0.4;
/// The least that unlikeness leaves of a weight.
const LEAST_LIKE: f64 = 0.02;

/// Inputs that are answered otherwise than the tree did when it was green.
fn unlike(answers: &[Option<Answer>], before: &[Option<Answer>]) -> usize {
    answers.iter().zip(before).filter(|(a, b)| matches!((a, b), (Some(a), Some(b)) if a.digest != b.digest)).count()
}

/// What unlikeness leaves of a weight; `least`: what even the likest rival answers otherwise.
fn likeness(unlike: usize, least: usize) -> f64 {
    UNLIKE.powi(i32::try_from(unlike.saturating_sub(least)).unwrap_or(i32::MAX)).max(LEAST_LIKE)
}

/// The first input that two rivals answer differently; one where neither raises, if there is one.
pub fn difference(a: &[Option<Answer>], b: &[Option<Answer>]) -> Option<usize> {
    let differ = |calm: bool| {
        a.iter().zip(b).position(|(a, b)| match (a, b) {
            (Some(a), Some(b)) => a.digest != b.digest && !(calm && (a.raised || b.raised || a.endless || b.endless)),
            _ => false,
        })
    };
    differ(true).or_else(|| differ(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Option<Answer> {
        let raised = text.starts_with('!');
        Some(Answer { digest: text.into(), raised, endless: text.starts_with('~'), text: text.into() })
    }

    fn rival(weight: f64, answers: &[&str]) -> Rival {
        Rival { weight, labelled: false, size: 1, converts: None, answers: answers.iter().map(|a| answer(a)).collect() }
    }

    #[test]
    fn rivals_that_behave_alike_stand_together() {
        let rivals = [rival(1.0, &["1", "2"]), rival(0.8, &["1", "3"]), rival(0.7, &["1", "3"])];
        let choice = choose(&rivals, 1, None);
        assert_eq!(choice.winner, 1);
        assert_eq!(choice.disagrees, Some((0, Some(1))));
    }

    #[test]
    fn a_rival_that_crashes_where_others_answer_loses() {
        let rivals = [rival(1.0, &["1", "!E", "!E", "4"]), rival(0.6, &["1", "2", "3", "4"])];
        let choice = choose(&rivals, 1, None);
        assert_eq!((choice.winner, choice.disagrees), (1, None));
    }

    #[test]
    fn a_crash_that_all_share_is_no_trouble() {
        let rivals = [rival(1.0, &["1", "!E", "3"]), rival(0.6, &["1", "!E", "4"])];
        assert_eq!(choose(&rivals, 1, None).winner, 0);
    }

    #[test]
    fn labelled_rivals_come_last_even_when_they_are_alone_against_a_weak_one() {
        let mut constant = rival(1.0, &["1", "2"]);
        constant.labelled = true;
        let choice = choose(&[constant, rival(0.1, &["1", "3"])], 1, None);
        assert_eq!((choice.winner, choice.disagrees), (1, None));
    }

    #[test]
    fn what_hardly_anything_speaks_for_is_far_fetched_unless_its_label_says_so_anyhow() {
        let is_far_fetched = |rivals: &[Rival]| choose(rivals, 1, None).is_far_fetched;
        assert!(is_far_fetched(&[rival(0.07, &["1", "2"])]));
        assert!(!is_far_fetched(&[rival(0.15, &["1", "2"])]));
        assert!(!is_far_fetched(&[rival(0.07, &["1", "2"]), rival(0.09, &["1", "2"])]), "two say the same");
        let mut constant = rival(0.07, &["1", "2"]);
        constant.labelled = true;
        assert!(!is_far_fetched(&[constant]));
    }

    #[test]
    fn behaviour_of_the_green_commit_outweighs_priors() {
        let rivals = [rival(1.0, &["1", "2", "3"]), rival(0.2, &["1", "5", "6"])];
        let before: Vec<_> = ["0", "5", "6"].iter().map(|a| answer(a)).collect();
        assert_eq!(choose(&rivals, 1, Some(&before)).winner, 1);
    }

    #[test]
    fn where_behaviour_is_unknown_what_speaks_for_a_candidate_decides_and_not_its_size() {
        let mut long = rival(0.9, &[]);
        long.size = 20;
        let choice = choose(&[rival(0.6, &[]), long], 0, None);
        assert_eq!((choice.winner, choice.groups.len(), choice.disagrees), (1, 2, None));
    }

    #[test]
    fn a_rival_of_nearly_the_same_weight_of_whose_behaviour_nothing_is_known_is_a_reason_to_doubt() {
        assert_eq!(choose(&[rival(0.6, &[]), rival(0.5, &[])], 0, None).disagrees, Some((1, None)));
        assert_eq!(choose(&[rival(0.6, &[]), rival(0.4, &[])], 0, None).disagrees, None);
    }

    #[test]
    fn two_ways_to_another_type_of_the_same_value_are_no_rivals() {
        let of = |line: usize| Rival { converts: Some((b"a.rs".to_vec(), line)), ..rival(0.6, &[]) };
        let choice = choose(&[of(7), of(7)], 0, None);
        assert_eq!((choice.groups.len(), choice.disagrees), (1, None));
        assert_eq!(choose(&[of(7), of(8)], 0, None).disagrees, Some((1, None)));
    }

    #[test]
    fn within_a_group_the_smallest_of_the_probable_edits_is_proposed() {
        let mut long = rival(0.9, &["1"]);
        long.size = 20;
        let choice = choose(&[rival(0.2, &["1"]), long, rival(0.5, &["1"]), rival(0.6, &["1"])], 1, None);
        assert_eq!(choice.winner, 3);
        assert_eq!(choice.groups.len(), 1);
    }

    #[test]
    fn an_answer_that_is_not_known_separates_nobody() {
        let mut half = rival(0.69, &["1", "3", "4"]);
        half.answers[1] = None;
        let rivals = [rival(1.0, &["1", "2", "5"]), rival(0.7, &["1", "3", "4"]), half];
        let choice = choose(&rivals, 1, None);
        assert_eq!((choice.winner, choice.groups.len()), (1, 2), "two stand against one");
        let mut other = rival(0.5, &["1", "3", "4"]);
        other.answers = vec![None, None, None, other.answers[2].clone()];
        assert_eq!(choose(&[rivals[1].clone(), other], 1, None).groups.len(), 2, "nothing is known of both");
        let tested = rival(0.5, &["1"]);
        assert_eq!(choose(&[rivals[1].clone(), tested], 1, None).groups.len(), 2, "all give the tests what they want");
    }
}

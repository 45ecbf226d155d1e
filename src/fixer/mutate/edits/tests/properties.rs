//! What holds for every edit of every program.

use proptest::prelude::*;

use super::super::{Project, apply, check, compile_edits, edits, pair};
use super::{FILES, cases};

const NAMES: [&str; 7] = ["a.py", "a.js", "a.ts", "a.tsx", "a.rs", "a.go", "A.java"];

#[test]
fn every_edit_parses_differs_and_is_there_only_once() {
    for (file, text) in FILES {
        // every twelfth program is enough to see a generator that breaks the law
        for case in cases(text).into_iter().step_by(12) {
            let project = Project::load(vec![((*file).into(), case.broken.clone().into_bytes())], |_| true);
            let source = &project.sources()[0];
            let mut seen = std::collections::HashSet::new();
            for edit in edits(&project, file.as_bytes(), None) {
                let text = apply(&source.text, &edit);
                let hash = check(source, &text);
                assert!(hash.is_some(), "{}: {} does not parse or is no change", case.name, edit.what);
                assert!(hash.is_some_and(|hash| seen.insert(hash)), "{}: {} is there twice", case.name, edit.what);
                assert!(edit.weight > 0.0 && edit.weight.is_finite());
            }
        }
    }
}

#[test]
fn the_same_program_gives_the_same_edits_in_the_same_order() {
    let (file, text) = FILES[0];
    let case = cases(text).remove(3);
    let run = || {
        let project = Project::load(vec![(file.into(), case.broken.clone().into_bytes())], |_| true);
        edits(&project, file.as_bytes(), None)
    };
    assert_eq!(run(), run());
}

#[test]
fn edits_stay_on_the_wanted_lines() {
    let (file, text) = FILES[0];
    for case in cases(text).into_iter().step_by(11) {
        let project = Project::load(vec![(file.into(), case.broken.clone().into_bytes())], |_| true);
        let lines = [3, 4].into();
        for edit in edits(&project, file.as_bytes(), Some(&lines)) {
            // a multi-line statement that reaches into the lines may start before them, and an import stands at the top
            assert!(edit.line <= 5, "{}: {} is about line {}", case.name, edit.what, edit.line);
        }
    }
}

#[test]
fn two_edits_that_overlap_are_no_pair() {
    let (file, text) = FILES[0];
    let case = cases(text).remove(0);
    let project = Project::load(vec![(file.into(), case.broken.clone().into_bytes())], |_| true);
    let found = edits(&project, file.as_bytes(), None);
    let mut pairs = 0;
    for (a, b) in found.iter().zip(found.iter().skip(7)) {
        match pair(a, b) {
            Some(both) => {
                pairs += 1;
                let texts = both.texts(&project);
                assert_eq!(texts.len(), 1);
                let [first, second] = &both.edits;
                let shift = first.replacement.len() as isize - first.range.len() as isize;
                let at = second.range.start.wrapping_add_signed(shift);
                assert!(texts[0].1[at..].starts_with(&second.replacement));
                assert!(texts[0].1[first.range.start..].starts_with(&first.replacement));
            }
            None => assert!(a.range.start <= b.range.end && b.range.start <= a.range.end),
        }
    }
    assert!(pairs > 20);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), name in 0..NAMES.len()) {
        let project = Project::load(vec![(NAMES[name].into(), bytes)], |_| true);
        let _ = edits(&project, NAMES[name].as_bytes(), None);
    }

    #[test]
    fn programs_cut_and_glued_anywhere_are_read_without_panic(from in 0..4000_usize, len in 0..400_usize, insert in "[ -~\n\t]{0,12}", which in any::<prop::sample::Index>()) {
        let (file, text) = FILES[which.index(FILES.len())];
        let all = cases(text);
        let case = &all[from % all.len()].broken;
        let mut start = from % (case.len() + 1);
        while !case.is_char_boundary(start) { start -= 1; }
        let mut end = (start + len).min(case.len());
        while !case.is_char_boundary(end) { end -= 1; }
        let end = end.max(start);
        let glued = format!("{}{insert}{}", &case[..start], &case[end..]);
        let project = Project::load(vec![(file.into(), glued.clone().into_bytes())], |_| true);
        for edit in edits(&project, file.as_bytes(), None).iter().take(200) {
            prop_assert!(check(&project.sources()[0], &apply(&glued, edit)).is_some());
        }
        let lines = (1..6).collect();
        let _ = compile_edits(&project, file.as_bytes(), Some(&lines));
    }
}

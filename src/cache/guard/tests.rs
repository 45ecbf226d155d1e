//! What the guard refuses and what it lets pass.

use proptest::prelude::*;

use super::*;

#[test]
fn each_class_of_change_in_meaning_is_refused_for_its_reason() {
    for (a, b, reason) in [
        ("Why does it time out after 30 s?", "Why does it time out after 300 s?", Refusal::Literal),
        ("Why does it time out after 30 s?", "Why does it time out after 30 ms?", Refusal::Literal),
        ("Why are three tests red?", "Why are four tests red?", Refusal::Literal),
        ("What does parse_row return?", "What does parse_rows return?", Refusal::Literal),
        ("What does getUser return?", "What does getUsers return?", Refusal::Literal),
        ("Why is src/cart.py red?", "Why is src/card.py red?", Refusal::Literal),
        ("What does \"not found\" mean?", "What does \"no route\" mean?", Refusal::Literal),
        ("How do I pass -v to the runner?", "How do I pass -q to the runner?", Refusal::Literal),
        ("Is the retry safe?", "Isn't the retry safe?", Refusal::Negation),
        ("Does it run without a network?", "Does it run with a network?", Refusal::Negation),
        ("Does the cache ever expire?", "Does the cache never expire?", Refusal::Negation),
        ("Why does the build fail?", "When does the build fail?", Refusal::Question),
        ("How long is the queue?", "How many are in the queue?", Refusal::Question),
        ("Can I delete the lock file?", "Should I delete the lock file?", Refusal::Modality),
        ("Did the deploy finish?", "Will the deploy finish?", Refusal::Modality),
        (
            "How do I copy a file from the host to the container?",
            "How do I copy a file from the container to the host?",
            Refusal::Role,
        ),
        ("Does the client wait for the server?", "Does the server wait for the client?", Refusal::Role),
        ("How do I export it to Jenkins?", "How do I export it to Buildkite?", Refusal::Name),
        ("How do I enable the cache?", "How do I disable the cache?", Refusal::Word),
        ("Does it run before the tests?", "Does it run after the tests?", Refusal::Word),
        ("How do I increase the limit?", "How do I decrease the limit?", Refusal::Word),
        ("Do all tests pass?", "Do any tests pass?", Refusal::Word),
        ("Which test fails first?", "Which test fails last?", Refusal::Word),
        ("Is the input valid?", "Is the input invalid?", Refusal::Word),
        ("What is the minimum version?", "What is the maximum version?", Refusal::Word),
        ("How do I lock the file?", "How do I unlock the file?", Refusal::Word),
    ] {
        assert_eq!(check(a, b), Err(reason), "{a} | {b}");
        assert_eq!(check(b, a), Err(reason), "{b} | {a}");
    }
}

#[test]
fn the_same_question_in_other_words_passes() {
    for (a, b) in [
        ("How do I run one test?", "Hi, how can I run one test please"),
        ("Why does test_total fail?", "What is the reason that test_total fails?"),
        ("Is it possible to skip a test?", "Can I skip a test?"),
        ("How do I delete a branch?", "What's the process for removing a branch?"),
        ("Why does it take 2 seconds?", "Why does it take two seconds?"),
        ("In a workflow, how do I merge two jobs?", "How do I merge two jobs in a workflow?"),
        ("Why is the configuration incorrect?", "Why is the confguration incorrect?"),
        ("When does the nightly build start?", "What time does the nightly build begin?"),
    ] {
        assert_eq!(check(a, b), Ok(()), "{a} | {b}");
    }
}

proptest! {
    #[test]
    fn every_question_answers_itself(text in "\\PC{0,80}") {
        prop_assert_eq!(check(&text, &text), Ok(()));
    }

    #[test]
    fn the_guard_is_symmetric(a in "(how|why|can|is|not|the|a|from|to|test|build|two|A1|x_y|enable|disable| ){1,8}", b in "(how|why|can|is|not|the|a|from|to|test|build|two|A1|x_y|enable|disable| ){1,8}") {
        prop_assert_eq!(check(&a, &b).is_ok(), check(&b, &a).is_ok());
    }

    #[test]
    fn another_number_is_never_served(a in 0u32..100_000, b in 0u32..100_000) {
        let ask = |n: u32| format!("Why does the suite stop after {n} tests?");
        prop_assert_eq!(check(&ask(a), &ask(b)).is_ok(), a == b);
    }

    #[test]
    fn another_identifier_is_never_served(a in "[a-z]{1,6}_[a-z]{1,6}", b in "[a-z]{1,6}_[a-z]{1,6}") {
        let ask = |n: &str| format!("Why does {n} raise an error?");
        prop_assert_eq!(check(&ask(&a), &ask(&b)).is_ok(), a == b);
    }
}

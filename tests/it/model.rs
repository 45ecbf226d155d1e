//! Models against a scripted server that misbehaves on order, and heals with its answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kaizen_ci::cache::Source;
use kaizen_ci::mask::Mask;
use kaizen_ci::model::budget::Spent;
use kaizen_ci::model::client::{Asked, Client, Endpoint, Whom};
use kaizen_ci::model::router::Evidence;
use kaizen_ci::model::wire::{self, Manner};
use kaizen_ci::model::{Answered, Asker, CachePlace, Message, Models, Money, Role, Trouble, Turn, Wish};
use kaizen_ci::trajectory::{Event, Kept, Recorder};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::project::{Project, files_below};
use crate::scripted::{Server, Step};

fn turn(deadline: Duration) -> Turn {
    Turn { answer_tokens: 50, deadline, ..Turn::new(Role::Fix, vec![Message::user("why?")]) }
}

async fn ask(models: &Models, turn: &Turn) -> Result<Answered, Trouble> {
    let (recorder, cancel) = (Recorder::forgetful(), CancellationToken::new());
    models.ask(turn, &Wish::default(), Asker { name: "test", recorder: &recorder, cancel: &cancel }).await
}

/// The client alone, for a model called `model` at `at`.
async fn client_asks(client: &Client, at: &Endpoint, model: &str, turn: &Turn) -> Asked {
    let whom = Whom { at, model, manner: Manner::default() };
    client.ask(whom, turn, &CancellationToken::new(), &()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_misbehaviour_ends_with_its_name_and_in_time() {
    let say = |text: &str| Step::Say(text.to_owned());
    for (step, name, most_requests) in [
        (say("fine\nreally"), "answered", 1),
        (Step::Status(400, None), "bad-request", 1),
        (Step::Status(401, None), "unauthorised", 1),
        (Step::Status(402, None), "out-of-credit", 1),
        (Step::Status(404, None), "gone", 1),
        (Step::Status(429, Some("60")), "rate-limited", 1),
        (Step::Status(429, None), "rate-limited", 4),
        (Step::Status(500, None), "server-failed", 4),
        (Step::Redirect("http://127.0.0.1:1/".into()), "redirected", 1),
        (Step::Late(9000), "timed-out", 1),
        (Step::StallInMidStream, "stalled", 1),
        (Step::EndInMidStream, "truncated", 1),
        (Step::ErrorInMidStream, "server-failed", 4),
        (Step::HalfJson, "truncated", 1),
        (Step::WrongShape, "malformed", 1),
        (Step::Empty, "empty", 1),
        (Step::CutOff, "truncated", 1),
        (Step::Finish("content_filter"), "malformed", 1),
        (Step::Finish("error"), "malformed", 1),
        (Step::Finish("refusal"), "malformed", 1),
        (Step::Finish("stop"), "answered", 1),
        (Step::Json(json!({"error": {"code": 402, "message": "pay"}}).to_string()), "out-of-credit", 1),
        (Step::Json(json!({"error": {"code": 429}}).to_string()), "rate-limited", 4),
        (Step::Events("x".repeat(3 << 20)), "too-large", 1),
        // as much as two megabytes on the wire, and twelve kilobytes of answer
        (Step::Tokens(6000), "answered", 1),
        (Step::Reset, "reset", 4),
        (Step::Huge, "too-large", 1),
    ] {
        let server = Server::new(std::slice::from_ref(&step));
        let client = Client::new(false).unwrap().with_stall(Duration::from_millis(500));
        let began = Instant::now();
        // what is asked again waits in between, for a jittered while
        let limit = Duration::from_secs(if most_requests > 1 { 20 } else { 6 });
        let asked = client_asks(&client, &server.endpoint(), "scripted-7b", &turn(limit)).await;
        let outcome = asked.result.as_ref().err().map_or("answered", Trouble::name);
        assert_eq!(outcome, name, "{step:?}: {:?}", asked.result);
        assert!((1..=most_requests).contains(&asked.sent), "{step:?}: {} requests", asked.sent);
        assert!(began.elapsed() < limit + Duration::from_secs(2), "{step:?}: {:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_is_waited_for_exactly_and_then_it_is_asked_again() {
    let server = Server::new(&[Step::Status(429, Some("1")), Step::Say("back".into())]);
    let answered = ask(&server.models(|_| {}), &turn(Duration::from_secs(5))).await.unwrap();
    assert_eq!((answered.reply.content.as_str(), answered.reply.requests), ("back", 2));
    let questions = server.questions();
    let waited = questions[1].at - questions[0].at;
    assert!((Duration::from_millis(1000)..Duration::from_millis(3000)).contains(&waited), "{waited:?}");
    // a server that is down says it too, and some say it to the millisecond
    for (status, after, least) in [(503, "1", 1000), (429, "9\r\nretry-after-ms: 1200", 1200)] {
        let server = Server::new(&[Step::Status(status, Some(after)), Step::Say("back".into())]);
        ask(&server.models(|_| {}), &turn(Duration::from_secs(6))).await.unwrap();
        let questions = server.questions();
        let waited = questions[1].at - questions[0].at;
        assert!((Duration::from_millis(least)..Duration::from_secs(4)).contains(&waited), "{status}: {waited:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_turn_ends_within_a_tenth_of_a_second() {
    let (late, limited) = (Step::Late(5000), Step::Status(429, Some("7")));
    for step in [late, Step::StallInMidStream, limited, Step::Status(500, None)] {
        let server = Server::new(std::slice::from_ref(&step));
        let (models, cancel) = (server.models(|_| {}), CancellationToken::new());
        let recorder = Recorder::forgetful();
        let asker = Asker { name: "test", recorder: &recorder, cancel: &cancel };
        let (turn, wish) = (turn(Duration::from_secs(30)), Wish::default());
        let mut asking = std::pin::pin!(models.ask(&turn, &wish, asker));
        let on_its_way = async {
            while server.questions().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            // whatever is answered at once is read by then, and waited for
            tokio::time::sleep(Duration::from_millis(300)).await;
        };
        tokio::select! {
            early = &mut asking => panic!("{step:?}: {early:?}"),
            () = on_its_way => {}
        }
        // this task asks and cancels: however busy the machine is, no other one has to wake up in between
        let began = Instant::now();
        cancel.cancel();
        assert_eq!(asking.await.unwrap_err(), Trouble::Cancelled, "{step:?}");
        assert!(began.elapsed() < Duration::from_millis(100), "{step:?}: {:?}", began.elapsed());
    }
}

/// A priced turn at the scripted server: a dollar for a thousand tokens, to be asked with evidence.
fn priced(server: &Server, change: impl FnOnce(&mut kaizen_ci::model::Settings)) -> Arc<Models> {
    server.models(|s| {
        let line = kaizen_ci::config::CatalogLine {
            provider: "own".into(),
            id: "scripted-7b".into(),
            family: None,
            context: None,
            strength: None,
            reasoning: None,
            prompt: Some("1000".into()),
            answer: Some("1000".into()),
        };
        s.added = kaizen_ci::model::catalog::Known::added(&line).into_iter().collect();
        s.cache_off = true;
        change(s);
    })
}

async fn ask_priced(models: &Models, turn: &Turn) -> Result<Answered, Trouble> {
    let (recorder, cancel) = (Recorder::forgetful(), CancellationToken::new());
    let asker = Asker { name: "test", recorder: &recorder, cancel: &cancel };
    models.ask(turn, &Wish::of(Some(&Evidence::ModelFreeDone)), asker).await
}

/// A dollar for a thousand tokens.
fn dollars_for(tokens: u64) -> Money {
    Money(tokens * 1_000_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_counted_before_it_leaves_also_those_that_are_sent_again() {
    let failed = Step::Status(500, None);
    let server = Server::new(&[failed.clone(), failed.clone(), failed, Step::Say("ok".into())]);
    let error = ask(&server.models(|s| s.requests = 2), &turn(Duration::from_secs(9))).await.unwrap_err();
    assert_eq!((error.name(), server.questions().len()), ("out-of-budget", 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_may_have_been_billed_is_paid_for_beside_the_one_that_was_answered() {
    let turn = turn(Duration::from_secs(9));
    let worst = dollars_for(wire::most_tokens(&turn) + u64::from(turn.answer_tokens));
    let limited = Step::Status(429, Some("60"));
    for (steps, requests, money) in [
        (vec![Step::Say("fine".into())], 1, dollars_for(18)),
        (vec![Step::Reset, Step::Say("fine".into())], 2, worst.plus(dollars_for(18))),
        (vec![Step::Status(500, None), limited.clone()], 2, worst),
        (vec![limited], 1, Money::ZERO),
        // the tokens of a stream that stops were made
        (vec![Step::EndInMidStream], 1, worst),
    ] {
        let server = Server::new(&steps);
        let models = priced(&server, |_| {});
        let answered = ask_priced(&models, &turn).await;
        assert_eq!(models.spent(), Spent { money, reserved: Money::ZERO, requests }, "{steps:?}: {answered:?}");
        if let Ok(answered) = answered {
            assert_eq!((answered.reply.cost, u64::from(answered.reply.requests)), (money, requests));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_reserved_and_not_sent_comes_back() {
    let (folder, server) = (tempfile::tempdir().unwrap(), Server::new(&[Step::Say("yes".into())]));
    let models = priced(&server, |s| {
        s.cache = Some(CachePlace { state_dir: folder.path().to_owned(), url: None });
        s.day_cents = Some(0);
    });
    assert_eq!(ask_priced(&models, &turn(Duration::from_secs(3))).await.unwrap_err().name(), "out-of-budget");
    assert_eq!((models.spent(), server.questions().len()), (Spent::default(), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_with_more_tokens_than_it_seems_overspends_nothing() {
    let letters = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo".repeat(40);
    // the server counts a token for every two characters
    let server = Server::by("scripted-7b", |_, body| {
        let asked = body["messages"][0]["content"].as_str().unwrap_or_default().len();
        Step::Count(asked as u64 / 2, 50)
    });
    let turn = Turn { messages: vec![Message::user(letters)], ..turn(Duration::from_secs(5)) };
    for (cents, fits) in [(50, false), (100, true)] {
        let models = priced(&server, |s| s.cents = cents);
        assert_eq!(ask_priced(&models, &turn).await.is_ok(), fits, "{cents}");
        assert!(models.spent().money <= Money::cents(cents), "{:?}", models.spent());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_cut_short_is_paid_for_as_if_it_had_gone_on() {
    let part = json!({"choices": [{"delta": {"content": "```\nx\n```\nBecause"}}]});
    let server = Server::new(&[Step::EventsAndStall(format!("data: {part}\n\n"))]);
    let models = priced(&server, |_| {});
    let turn = Turn { enough: Some(kaizen_ci::model::Enough::Fence), ..turn(Duration::from_secs(9)) };
    let answered = ask_priced(&models, &turn).await.unwrap();
    assert!(answered.reply.usage.estimated);
    assert_eq!(models.spent().money, dollars_for(wire::most_tokens(&turn) + u64::from(turn.answer_tokens)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_thinks_is_asked_with_the_limit_and_without_the_temperature_that_it_refuses() {
    let server = Server::by("gpt-5", |_, body| {
        let refused = body.get("max_tokens").is_some() || body.get("temperature").is_some();
        if refused { Step::Status(400, None) } else { Step::Say("fine".into()) }
    });
    let openai = kaizen_ci::model::providers::find("openai").unwrap();
    let at = Endpoint { provider: *openai, base: server.url.clone(), key: None };
    let client = Client::new(false).unwrap();
    let whom = Whom { at: &at, model: "gpt-5", manner: Manner { thinking: wire::THINKING, ..Manner::default() } };
    let asked = client.ask(whom, &turn(Duration::from_secs(3)), &CancellationToken::new(), &()).await;
    assert_eq!((asked.result.unwrap().content.as_str(), asked.sent), ("fine", 1));
    let body = &server.questions()[0].body;
    assert_eq!((&body["max_completion_tokens"], &body["reasoning_effort"]), (&json!(4050), &json!("low")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_is_refused_is_left_out_from_then_on() {
    let server = Server::by("scripted-7b", |_, body| match body.get("response_format") {
        Some(_) => Step::Status(400, None),
        None => Step::Say("{}".into()),
    });
    let models = server.models(|_| {});
    for (sample, requests) in [(0, 2), (1, 1)] {
        let schema = Some(json!({"type": "object"}));
        let turn = Turn { schema, sample, ..turn(Duration::from_secs(3)) };
        assert_eq!(ask(&models, &turn).await.unwrap().reply.requests, requests);
    }
    // what is wrong for another reason is refused without one, too
    let server = Server::new(&[Step::Status(422, None)]);
    let turn = Turn { schema: Some(json!({"type": "object"})), ..turn(Duration::from_secs(3)) };
    assert_eq!(ask(&server.models(|_| {}), &turn).await.unwrap_err().name(), "bad-request");
    assert_eq!(server.questions().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thinking_model_of_this_machine_has_room_for_it_and_is_not_told_how_much_where_it_refuses_that() {
    let server = Server::by("qwen3-8b", |_, body| match body.get("reasoning_effort") {
        Some(_) => Step::Refuse(400, "`reasoning_effort` is not supported by this model"),
        None => Step::Say("fine".into()),
    });
    let models = server.models(|_| {});
    for (sample, requests) in [(0, 2), (1, 1)] {
        let turn = Turn { sample, ..turn(Duration::from_secs(3)) };
        assert_eq!(ask(&models, &turn).await.unwrap().reply.requests, requests);
    }
    assert!(server.questions().iter().all(|q| q.body["max_tokens"] == json!(1550)));
    // another reason is none to ask again
    let server = Server::of("qwen3-8b", &[Step::Refuse(400, "the prompt is too long")]);
    assert_eq!(ask(&server.models(|_| {}), &turn(Duration::from_secs(3))).await.unwrap_err().name(), "bad-request");
    assert_eq!(server.questions().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_refused_questions_are_the_questions_fault_and_the_third_in_a_row_leaves_the_model() {
    let no = || Step::Status(400, None);
    let server = Server::new(&[no(), no(), Step::Say("yes".into()), no(), no(), no()]);
    let models = server.models(|_| {});
    let mut names = Vec::new();
    for _ in 0..7 {
        let outcome = ask(&models, &turn(Duration::from_secs(3))).await;
        names.push(outcome.as_ref().err().map_or("answered", Trouble::name));
    }
    let bad = "bad-request";
    assert_eq!(names, [bad, bad, "answered", bad, bad, bad, "no-model"]);
    assert_eq!(server.questions().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_waits_for_an_equal_one_no_longer_than_it_has_time() {
    let server = Server::new(&[Step::Late(6000)]);
    let models = server.models(|_| {});
    let (long, short) = (turn(Duration::from_secs(20)), turn(Duration::from_millis(300)));
    let first = async { (ask(&models, &long).await, Instant::now()) };
    let second = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        (ask(&models, &short).await, Instant::now())
    };
    let ((first, first_at), (second, second_at)) = tokio::join!(first, second);
    assert_eq!(first.unwrap().reply.content, "late");
    assert_eq!(second.unwrap_err(), Trouble::NoSlot);
    assert!(second_at < first_at, "it did not wait for the other one's end");
    assert_eq!(server.questions().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_that_are_refused_are_left_out_from_then_on() {
    let tools = vec![kaizen_ci::model::Tool { name: "look", about: "looks", parameters: json!({"type": "object"}) }];
    for status in [400, 404, 422] {
        let server = Server::by("scripted-7b", move |_, body| match body.get("tools") {
            Some(_) => Step::Status(status, None),
            None => Step::Say("fine".into()),
        });
        let models = server.models(|_| {});
        for (sample, requests) in [(0, 2), (1, 1)] {
            let turn = Turn { tools: tools.clone(), sample, ..turn(Duration::from_secs(3)) };
            assert_eq!(ask(&models, &turn).await.unwrap().reply.requests, requests, "{status}");
        }
    }
    // what is gone is gone without tools, too
    let server = Server::new(&[Step::Status(404, None)]);
    let turn = Turn { tools, ..turn(Duration::from_secs(3)) };
    assert_eq!(ask(&server.models(|_| {}), &turn).await.unwrap_err().name(), "gone");
    assert_eq!(server.questions().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_anew_is_asked_again() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        Server::on(std::net::TcpListener::bind(address).unwrap(), "m", |_, _| Step::Say("back".into()));
    });
    let provider = *kaizen_ci::model::providers::find("llama.cpp").unwrap();
    let at = Endpoint { provider, base: format!("http://{address}/v1"), key: None };
    let asked = client_asks(&Client::new(false).unwrap(), &at, "m", &turn(Duration::from_secs(20))).await;
    assert_eq!(asked.result.unwrap().content, "back");
    assert!(asked.sent > 1, "the first one met nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_was_too_late_rests_and_is_asked_again() {
    let server = Server::new(&[Step::Late(9000), Step::Say("back".into())]);
    let models = server.models(|_| {});
    assert_eq!(ask(&models, &turn(Duration::from_secs(1))).await.unwrap_err().name(), "timed-out");
    let error = ask(&models, &turn(Duration::from_secs(1))).await.unwrap_err();
    assert!(error.to_string().contains("timed-out (again in "), "{error}");
    assert_eq!(ask(&models, &turn(Duration::from_secs(20))).await.unwrap().reply.content, "back");
    assert_eq!(server.questions().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_ends_with_its_deadline_whoever_else_could_be_asked() {
    let (one, two) = (Server::of("one-7b", &[Step::Late(9000)]), Server::of("two-7b", &[Step::Slow(900, "here")]));
    let models = one.models(|s| s.own = Some(format!("{},{}", one.url, two.url)));
    let began = Instant::now();
    assert_eq!(ask(&models, &turn(Duration::from_secs(1))).await.unwrap_err().name(), "timed-out");
    assert!(began.elapsed() < Duration::from_millis(1700), "{:?}", began.elapsed());
    assert_eq!(two.questions().len(), 0, "late from the beginning, it would be left alone for it");
    assert_eq!(ask(&models, &turn(Duration::from_secs(9))).await.unwrap().reply.content, "here");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_slot_is_part_of_a_turn_and_no_fault_of_the_model() {
    let server = Server::new(&[Step::Slow(2500, "here")]);
    let models = server.models(|_| {});
    let other = |sample| Turn { sample, ..turn(Duration::from_secs(20)) };
    let (long, late) = (other(1), Turn { deadline: Duration::from_millis(600), ..other(3) });
    let third = async {
        while server.questions().len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let began = Instant::now();
        let result = ask(&models, &late).await;
        (result, began.elapsed())
    };
    // the server has two
    let second = other(2);
    let (first, second, (third, took)) = tokio::join!(ask(&models, &long), ask(&models, &second), third);
    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    assert_eq!(third, Err(Trouble::NoSlot));
    assert!(took < Duration::from_millis(1500), "{took:?}");
    assert_eq!(ask(&models, &other(4)).await.unwrap().reply.content, "here");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_turn_is_told_to_wait_every_turn_at_that_server_waits() {
    let server = Server::new(&[Step::Status(429, Some("1")), Step::Say("back".into())]);
    let models = server.models(|_| {});
    let other = Turn { messages: vec![Message::user("and why not?")], ..turn(Duration::from_secs(9)) };
    let second = async {
        while server.questions().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // until the answer is read
        tokio::time::sleep(Duration::from_millis(150)).await;
        ask(&models, &other).await.unwrap()
    };
    let turn = turn(Duration::from_secs(9));
    let (first, _) = tokio::join!(ask(&models, &turn), second);
    assert_eq!(first.unwrap().reply.content, "back");
    let questions = server.questions();
    assert_eq!(questions.len(), 3);
    for later in &questions[1..] {
        assert!(later.at - questions[0].at >= Duration::from_secs(1), "{:?}", later.at - questions[0].at);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_was_asked_too_often_is_asked_again_when_the_limit_has_passed() {
    let limited = Step::Status(429, None);
    let server = Server::new(&[limited.clone(), limited.clone(), limited.clone(), limited, Step::Say("back".into())]);
    let models = server.models(|_| {});
    let answered = ask(&models, &turn(Duration::from_secs(30))).await.unwrap();
    assert_eq!((answered.reply.content.as_str(), server.questions().len()), ("back", 5));
    // a limit that lasts longer than the turn ends the turn, and not the model
    let server = Server::new(&[Step::Status(429, Some("2")), Step::Say("back".into())]);
    let models = server.models(|_| {});
    let short = turn(Duration::from_secs(1));
    assert_eq!(ask(&models, &short).await.unwrap_err().name(), "rate-limited");
    let error = ask(&models, &short).await.unwrap_err();
    assert!(error.to_string().contains("rate-limited (again in 2 s)"), "{error}");
    assert_eq!(ask(&models, &turn(Duration::from_secs(9))).await.unwrap().reply.content, "back");
    assert_eq!(server.questions().len(), 2);
}

#[test]
fn a_passing_rate_limit_loses_no_heal() {
    let limited = Step::Status(429, None);
    let mut steps = vec![limited; 4];
    steps.push(Step::Say(RIGHT.into()));
    let server = Server::of("scripted-70b", &steps);
    let (code, document) =
        heal(&Project::without_history("tap-bounds-regressed"), &server, &["--fixers", "minimal", "--dry-run"]);
    assert_eq!((code, &document["heal"]["fixer"]), (10, &json!("minimal")), "{document:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn anthropics_stream_is_read_cut_when_it_is_enough_and_seen_to_stall() {
    let event = |e: Value| format!("event: {}\ndata: {e}\n\n", e["type"].as_str().unwrap());
    let usage = json!({"input_tokens": 9, "output_tokens": 1});
    let start = event(json!({"type": "message_start", "message": {"model": "claude-x", "usage": usage}}));
    let text = |text: &str| {
        let delta = json!({"type": "text_delta", "text": text});
        event(json!({"type": "content_block_delta", "index": 0, "delta": delta}))
    };
    let end =
        event(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}))
            + &event(json!({"type": "message_stop"}));
    let fenced = "```\nx = 1\n```\n";
    for (step, enough, outcome) in [
        (Step::Events(start.clone() + &text("Hel") + &text("lo") + &end), None, "Hello"),
        (Step::EventsAndStall(start.clone() + &text(fenced)), Some(kaizen_ci::model::Enough::Fence), fenced),
        (Step::EventsAndStall(start.clone() + &text("half")), None, "stalled"),
        (Step::Events(start.clone() + &text("half")), None, "truncated"),
    ] {
        let server = Server::new(std::slice::from_ref(&step));
        let anthropic = *kaizen_ci::model::providers::find("anthropic").unwrap();
        let at = Endpoint { provider: anthropic, base: server.url.clone(), key: None };
        let client = Client::new(false).unwrap().with_stall(Duration::from_millis(300));
        let turn = Turn { enough, ..turn(Duration::from_secs(9)) };
        let asked = client_asks(&client, &at, "claude-x", &turn).await;
        let said = asked.result.as_ref().map_or_else(|t| t.name(), |a| a.content.as_str());
        assert_eq!(said, outcome, "{:?}", asked.result);
        assert_eq!(server.questions()[0].body["stream"], true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_redirect_is_followed() {
    let elsewhere = Server::new(&[Step::Say("gotcha".into())]);
    let server = Server::new(&[Step::Redirect(format!("{}/chat/completions", elsewhere.url))]);
    for free in [true, false] {
        let error = ask(&server.models(|s| s.free_only = free), &turn(Duration::from_secs(3))).await.unwrap_err();
        assert_eq!(error.name(), "redirected");
    }
    assert_eq!(elsewhere.asked.lock().unwrap().len(), 0);
    assert_eq!(server.questions().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_free_mode_a_gateway_on_this_machine_is_not_asked_for_a_model_with_a_price() {
    let gateway = Server::of("gpt-4o", &[Step::Say("that is a dollar".into())]);
    let models = gateway.models(|s| s.free_only = true);
    assert_eq!(ask(&models, &turn(Duration::from_secs(3))).await.unwrap_err().name(), "no-model");
    // whatever the router thinks, the client does not let it out
    let client = Client::new(true).unwrap();
    let asked = client_asks(&client, &gateway.endpoint(), "gpt-4o", &turn(Duration::from_secs(3))).await;
    assert_eq!((asked.result.unwrap_err().name(), asked.sent), ("not-free", 0));
    assert_eq!(gateway.questions().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reply_says_which_model_really_answered() {
    let server = Server::new(&[Step::SayAs("somebody-else", "hello")]);
    let answered = ask(&server.models(|_| {}), &turn(Duration::from_secs(3))).await.unwrap();
    assert_eq!(answered.reply.model, "somebody-else");
    assert_eq!(answered.model, "own/scripted-7b");
    assert_eq!((answered.reply.usage.prompt, answered.reply.usage.answer), (11, 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_gone_is_left_alone_and_the_budget_of_requests_ends_asking() {
    let server = Server::new(&[Step::Status(404, None)]);
    let models = server.models(|_| {});
    assert_eq!(ask(&models, &turn(Duration::from_secs(3))).await.unwrap_err().name(), "gone");
    let error = ask(&models, &turn(Duration::from_secs(3))).await.unwrap_err();
    assert!(error.to_string().contains("not own/scripted-7b: gone"), "{error}");
    assert_eq!(server.questions().len(), 1);

    let server = Server::new(&[Step::Say("yes".into())]);
    let models = server.models(|s| s.requests = 2);
    for _ in 0..2 {
        ask(&models, &turn(Duration::from_secs(3))).await.unwrap();
    }
    assert_eq!(ask(&models, &turn(Duration::from_secs(3))).await.unwrap_err().name(), "out-of-budget");
    assert_eq!(server.questions().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_stands_in_the_event_of_the_decision() {
    let server = Server::new(&[Step::Say("yes".into())]);
    let kept = Kept::default();
    let recorder = kept.recorder();
    let cancel = CancellationToken::new();
    let asker = Asker { name: "minimal", recorder: &recorder, cancel: &cancel };
    let wish = Wish::of(Some(&Evidence::Progress { green: 3 }));
    server.models(|_| {}).ask(&turn(Duration::from_secs(3)), &wish, asker).await.unwrap();
    let events = kept.events();
    let [Event::ModelRouted { evidence, prompt_tokens, line, .. }, Event::ModelAnswered { outcome, .. }] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(evidence.as_deref(), Some("3 red tests turned green"));
    assert!(*prompt_tokens > 0 && line.starts_with("fix: own/scripted-7b (local"), "{line}");
    assert_eq!(outcome, "answered");
}

/// Models that keep their answers in `folder`.
fn keeping(server: &Server, folder: &std::path::Path) -> Arc<Models> {
    let place = CachePlace { state_dir: folder.to_owned(), url: None };
    server.models(|s| {
        s.cache = Some(place);
        s.requests = 3;
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_is_asked_once_and_served_from_the_cache_from_then_on() {
    let (folder, server) =
        (tempfile::tempdir().unwrap(), Server::new(&[Step::Say("first".into()), Step::Say("second".into())]));
    let kept = Kept::default();
    let (recorder, cancel) = (kept.recorder(), CancellationToken::new());
    let asker = Asker { name: "minimal", recorder: &recorder, cancel: &cancel };
    let turn = turn(Duration::from_secs(3));
    for again in [false, true] {
        // as in two runs of the program: the store is all that they share
        let answered = keeping(&server, folder.path()).ask(&turn, &Wish::default(), asker).await.unwrap();
        assert_eq!(answered.reply.content, "first");
        assert_eq!((answered.model.as_str(), answered.reply.model.as_str()), ("own/scripted-7b", "scripted-7b"));
        assert_eq!((answered.reply.usage.prompt, answered.reply.requests), (11, u32::from(!again)));
        assert_eq!(answered.source, if again { Source::Exact } else { Source::Asked });
    }
    let other = Turn { sample: 1, ..turn };
    assert_eq!(ask(&keeping(&server, folder.path()), &other).await.unwrap().reply.content, "second");
    assert_eq!(server.questions().len(), 2);
    let events = kept.events();
    let answered: Vec<_> = events
        .iter()
        .filter_map(|e| match e {
            Event::ModelAnswered { cached, prompt_tokens, answer_hash, .. } => {
                Some((cached.as_deref(), *prompt_tokens, answer_hash))
            }
            _ => None,
        })
        .collect();
    assert_eq!((answered[0].0, answered[0].1, answered[1].0, answered[1].1), (None, 11, Some("exact"), 0));
    assert!(answered[0].2 == answered[1].2 && answered[0].2.len() == 16, "{answered:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_similar_question_is_served_by_the_vectors_of_a_server_and_a_differing_one_is_not() {
    let (folder, server) = (tempfile::tempdir().unwrap(), Server::new(&[Step::Say("with -k".into())]));
    let (recorder, cancel) = (Recorder::forgetful(), CancellationToken::new());
    let asker = Asker { name: "seat", recorder: &recorder, cancel: &cancel };
    let place = CachePlace { state_dir: folder.path().to_owned(), url: None };
    let models = server.models(|s| {
        s.cache = Some(place);
        s.embedder = "own/vectors".into();
    });
    let turn = |role, question: &str| Turn {
        question: Some(question.into()),
        ..Turn::new(role, vec![Message::system("short"), Message::user(format!("Q: {question}"))])
    };
    for (role, question, asked) in [
        (Role::Answer, "How do I run one test?", 1),
        (Role::Answer, "How can I run one test?", 1),
        // the vectors are the same; the guard sees that the number differs
        (Role::Answer, "How do I run two test?", 2),
        // who judges is never served a similar question
        (Role::Score, "How do I run one test?", 3),
        (Role::Score, "How can I run one test?", 4),
    ] {
        models.ask(&turn(role, question), &Wish::default(), asker).await.unwrap();
        assert_eq!(server.questions().len(), asked, "{question}");
    }
    let embedded = server.asked.lock().unwrap().iter().filter(|a| a.path.ends_with("/embeddings")).count();
    assert_eq!(embedded, 3, "only questions of roles that answer some get a vector");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_equal_turns_at_once_make_one_request_and_share_its_failure_too() {
    for (step, outcome) in [(Step::Slow(300, "here"), "answered"), (Step::Status(404, None), "gone")] {
        let server = Server::new(std::slice::from_ref(&step));
        let models = server.models(|s| s.requests = 1);
        let turn = turn(Duration::from_secs(5));
        let all = futures::future::join_all((0..64).map(|_| ask(&models, &turn))).await;
        for answer in all {
            let name = answer.as_ref().map_or_else(Trouble::name, |_| "answered");
            // whoever comes after the model was found to be gone is told that nobody is left
            assert!(name == outcome || name == "no-model" && outcome == "gone", "{answer:?}");
        }
        assert_eq!(server.questions().len(), 1, "{step:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_one_who_asks_is_cancelled_those_who_wait_for_the_same_ask_instead() {
    let server = Server::new(&[Step::Late(4000), Step::Say("for you".into())]);
    let models = server.models(|_| {});
    let (first, stop) = (Arc::clone(&models), CancellationToken::new());
    let cancel = stop.clone();
    let kept = Kept::default();
    let recorder = kept.recorder();
    let leader = tokio::spawn(async move {
        let asker = Asker { name: "first", recorder: &recorder, cancel: &cancel };
        first.ask(&turn(Duration::from_secs(9)), &Wish::default(), asker).await
    });
    tokio::time::sleep(Duration::from_millis(400)).await;
    let second = tokio::spawn(async move { ask(&models, &turn(Duration::from_secs(9))).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.cancel();
    assert_eq!(leader.await.unwrap(), Err(Trouble::Cancelled));
    assert_eq!(second.await.unwrap().unwrap().reply.content, "for you");
    let events = kept.events();
    let said = |e: &Event| matches!(e, Event::ModelAnswered { outcome, .. } if outcome == "cancelled");
    assert!(events.iter().any(said), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_family_may_not_answer_is_refused_even_when_the_server_swaps_the_model() {
    let server = Server::new(&[Step::SayAs("critic-9b", "hm")]);
    let (recorder, cancel) = (Recorder::forgetful(), CancellationToken::new());
    let asker = Asker { name: "seat", recorder: &recorder, cancel: &cancel };
    let not = |family: &str| Wish { not_families: vec![family.into()], ..Wish::default() };
    let models = server.models(|_| {});
    let turn = Turn { role: Role::Criticise, ..turn(Duration::from_secs(3)) };
    let error = models.ask(&turn, &not("scripted-7b"), asker).await.unwrap_err();
    assert!(error.to_string().contains("of the family scripted-7b"), "{error}");
    assert_eq!(server.questions().len(), 0);
    assert_eq!(models.ask(&turn, &not("critic-9b"), asker).await.unwrap_err().name(), "other-model");
    assert_eq!(models.ask(&turn, &Wish::default(), asker).await.unwrap().family, "critic-9b");
}

/// A hundred keys of the usual shapes, put together so that scanners don't take them for leaks.
fn planted() -> Vec<String> {
    let x = |n: usize, i: usize| format!("{i:03}aB3dE6gH9").repeat(8)[..n].to_owned();
    (0..100)
        .map(|i| match i % 6 {
            0 => format!("sk-{}", x(48, i)),
            1 => format!("sk-or-v1-{}", x(64, i)),
            2 => format!("gsk_{}", x(52, i)),
            3 => format!("AIza{}", x(35, i)),
            4 => format!("sk-ant-api03-{}", x(60, i)),
            _ => format!("own-{}", x(30, i)),
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_planted_keys_never_stand_in_a_prompt() {
    let server = Server::new(&[Step::Say("yes".into())]);
    let keys = planted();
    let models = server.models(|s| s.mask = Mask::new(&keys));
    let mut turn = turn(Duration::from_secs(3));
    turn.messages =
        vec![Message::system(keys[..50].join("\n")), Message::user(format!("x={}", keys[50..].join("&k=")))];
    ask(&models, &turn).await.unwrap();
    let sent = server.questions()[0].body.to_string();
    assert!(sent.contains("***"));
    assert_eq!(keys.iter().filter(|k| sent.contains(k.as_str())).count(), 0);
}

/// A hundred secrets of 26 shapes that no mask was told of: lines that hold one, and what of them nobody may see.
fn unknown_secrets() -> Vec<(String, Vec<String>)> {
    let hex =
        |n: usize, i: usize| format!("{:08x}9e3779b1", i * 2_654_435_761 % 4_294_967_296).repeat(8)[..n].to_owned();
    let x = |n: usize, i: usize| format!("{i:03}aB3dE6gH9").repeat(10)[..n].to_owned();
    let one = |i: usize| {
        let whole = |secret: String| (format!("key {i} = {secret} end"), vec![secret]);
        let part = |line: String, secret: String| (line, vec![secret]);
        match i % 26 {
            0 => part(format!("postgres://app:{}@db:5432/x", x(20, i)), x(20, i)),
            1 => part(format!("Authorization: Bearer {}", x(40, i)), x(40, i)),
            2 => part(format!("aws_secret_access_key = {}", x(40, i)), x(40, i)),
            3 => whole(format!("GOCSPX-{}", x(28, i))),
            4 => whole(format!("xapp-1-A0{}-123-{}", i, hex(32, i))),
            5 => part(format!("https://hooks.slack.com/services/T01/B02/{}", x(24, i)), x(24, i)),
            6 => whole(format!("whsec_{}", x(32, i))),
            7 => whole(format!("gldt-{}", x(20, i))),
            8 => whole(format!("glrt-{}", x(20, i))),
            9 => whole(format!("glcbt-{}", x(24, i))),
            10 => whole(format!("glptt-{}", x(40, i))),
            11 => whole(format!("dop_v1_{}", hex(64, i))),
            12 => whole(format!("dapi{}", hex(32, i))),
            13 => whole(format!("shpat_{}", hex(32, i))),
            14 => whole(format!("hvs.{}", x(60, i))),
            15 => part(format!("AccountName=a;AccountKey={}==;Suffix=b", x(86, i)), x(86, i)),
            16 => whole(format!("PMAK-{}-{}", hex(24, i), hex(34, i))),
            17 => whole(format!("lin_api_{}", x(40, i))),
            18 => whole(format!("ntn_{}", x(46, i))),
            19 => whole(format!("glsa_{}_{}", x(32, i), hex(8, i))),
            20 => whole(format!("sntrys_{}", x(80, i))),
            21 => whole(format!("tvly-dev-{}", x(32, i))),
            22 => whole(format!("sbp_{}", hex(40, i))),
            23 => whole(format!("ATATT3{}", x(90, i))),
            24 => whole(format!("AGE-SECRET-KEY-1{}", x(58, i).to_uppercase())),
            _ => {
                let lines: Vec<String> = (0..3).map(|n| x(64, 300 + 10 * i + n)).collect();
                let block = "PGP PRIVATE KEY BLOCK-----";
                (format!("-----BEGIN {block}\n\n{}\n=aB3d\n-----END {block}", lines.join("\n")), lines)
            }
        }
    };
    (0..104).map(one).collect()
}

#[test]
fn secrets_that_a_failing_test_prints_and_that_stand_in_the_source_are_nowhere_in_what_is_asked_kept_or_said() {
    let secrets = unknown_secrets();
    let invented =
        "search.py\n<<<<<<< SEARCH\n    while low < high:\n=======\n    while low <= high:  # ***\n>>>>>>> REPLACE\n";
    let steps = [Step::Say("?".into()), Step::Say(invented.into()), Step::Say(WRONG.into()), Step::Say(RIGHT.into())];
    let server = Server::of("scripted-70b", &steps);
    let project = Project::fixture("py-bounds");
    let lines: Vec<&String> = secrets.iter().map(|(line, _)| line).collect();
    let source = project.read("search.py");
    let comments: String = lines.iter().filter(|l| !l.contains('\n')).map(|l| format!("    # {l}\n")).collect();
    let body = source.replace("    while low < high:\n", &format!("{comments}    while low < high:\n"));
    project.write("search.py", &format!("KEYS = {}\n\n\n{body}", json!(lines)));
    let tests = project.read("test_search.py");
    let printing = "import search\n\n\n@pytest.fixture(autouse=True)\ndef printed():\n    print(\"\\n\".join(search.KEYS))\n    print(search.KEYS)\n";
    project.write("test_search.py", &tests.replacen("import pytest\n", &format!("import pytest\n{printing}"), 1));
    let out = project
        .command(env!("CARGO_BIN_EXE_kaizen-ci"))
        .env("KAIZEN_MODELS", "own")
        .env("KAIZEN_MODEL_URL", &server.url)
        .args(["heal", "--json", "--fixers", "minimal,regression", "--dry-run", "--force"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(10), "{said}");
    let asked: Vec<String> = server.questions().iter().map(|q| q.body.to_string()).collect();
    assert!(asked.iter().all(|q| q.contains("***")), "{asked:?}");
    assert!(asked.iter().any(|q| q.contains("stands for a secret; leave its line as it is")), "{asked:?}");
    // a patch that is kept to be applied and verified again is the text of the files themselves
    let is_patch = |path: &std::path::Path| {
        path.components().any(|part| part.as_os_str() == "memory")
            || ["snapshot.patch", "heal.patch", "receipt.json"].iter().any(|name| path.ends_with(name))
    };
    let mut state = files_below(&project.root().join(".git/kaizen"));
    state.retain(|(path, _)| !is_patch(path));
    assert!(state.iter().any(|(path, _)| path.ends_with("events.jsonl")), "{state:?}");
    let state: String = state.into_iter().map(|(_, text)| text).collect();
    for (what, text) in [
        ("a question", asked.concat()),
        ("the state", state),
        ("--json", String::from_utf8_lossy(&out.stdout).into_owned()),
        ("stderr", said),
    ] {
        let seen: Vec<&String> =
            secrets.iter().flat_map(|(_, parts)| parts).filter(|s| text.contains(s.as_str())).collect();
        assert!(seen.is_empty(), "{what}: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn characters_that_nobody_sees_never_stand_in_a_prompt_and_split_no_secret_in_it() {
    let server = Server::new(&[Step::Say("yes".into())]);
    let models = server.models(|s| s.mask = Mask::new(["planted-Secret-1"]));
    let mut turn = turn(Duration::from_secs(3));
    turn.messages = vec![
        Message::system("rules\u{e0041}\u{e0042}\u{e007f}"),
        Message::user("x = 1  # \u{202e}safe\u{200b} \u{2060}code planted-\u{200b}Secret-1"),
    ];
    turn.question = Some("why\u{200b}?".into());
    ask(&models, &turn).await.unwrap();
    let sent = server.questions()[0].body.clone();
    let texts: Vec<&str> = sent["messages"].as_array().unwrap().iter().filter_map(|m| m["content"].as_str()).collect();
    assert_eq!(texts, ["rules", "x = 1  # safe code ***"]);
}

const RIGHT: &str = "The loop ends too early.\n\nFILE: search.py\n<<<<<<< SEARCH\n    while low < high:\n=======\n    while low <= high:\n>>>>>>> REPLACE\n";
const WRONG: &str =
    "search.py\n<<<<<<< SEARCH\n            low = middle + 1\n=======\n            low = middle + 2\n>>>>>>> REPLACE\n";

/// `kaizen-ci heal --json` with the server as the only model.
fn heal(project: &Project, server: &Server, args: &[&str]) -> (i32, Value) {
    let out = project
        .command(env!("CARGO_BIN_EXE_kaizen-ci"))
        .env("KAIZEN_MODELS", "own")
        .env("KAIZEN_MODEL_URL", &server.url)
        .env("KAIZEN_MODEL_KEY", KEY)
        .args([&["heal", "--json"], args].concat())
        .output()
        .unwrap();
    let document =
        serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&out.stderr)));
    (out.status.code().unwrap(), document)
}

const KEY: &str = "planted-key-0123456789";

fn everything_written(project: &Project) -> String {
    let all = files_below(&project.root().join(".git/kaizen"));
    all.into_iter().map(|(_, text)| text).collect()
}

#[test]
fn a_bug_is_healed_with_a_models_answer_after_it_was_told_what_was_wrong_with_the_first_two() {
    // a large model: a small one is told less
    let steps = [Step::Say("I would look at the loop.".into()), Step::Say(WRONG.into()), Step::Say(RIGHT.into())];
    let server = Server::of("scripted-70b", &steps);
    let project = Project::fixture("py-bounds");
    let (code, document) = heal(&project, &server, &["--fixers", "minimal", "--apply"]);
    assert_eq!(code, 0, "{document:#}");
    assert!(project.read("search.py").contains("while low <= high:"));
    assert_eq!(document["heal"]["fixer"], "minimal");
    project.nothing_left();

    let questions = server.questions();
    assert_eq!(questions.len(), 3);
    let prompt = |n: usize| questions[n].body["messages"][1]["content"].as_str().unwrap().to_owned();
    assert!(prompt(0).contains("while low < high:") && prompt(0).contains("test_find"), "{}", prompt(0));
    assert!(prompt(1).contains("refused: there is no edit block"), "{}", prompt(1));
    assert!(
        prompt(2).contains("+            low = middle + 2") && prompt(2).contains("now the tests say"),
        "{}",
        prompt(2)
    );

    assert!(questions.iter().all(|q| q.head.to_lowercase().contains(&format!("authorization: bearer {KEY}"))));
    let written = everything_written(&project);
    assert!(written.contains("model_routed") && written.contains("\"prompt_tokens\":"), "the decision is an event");
    assert!(!written.contains(KEY) && !document.to_string().contains(KEY), "the key was written down");
}

#[test]
fn an_answer_that_edits_a_test_or_breaks_the_syntax_is_refused_before_any_test_runs() {
    let test = RIGHT.replace("search.py", "test_search.py");
    let broken = RIGHT.replace("while low <= high:", "while low <= high");
    let server = Server::of("scripted-70b", &[Step::Say(test), Step::Say(broken), Step::Say(RIGHT.into())]);
    let project = Project::without_history("tap-bounds-regressed");
    let (code, document) = heal(&project, &server, &["--fixers", "minimal", "--dry-run"]);
    assert_eq!(code, 10, "{document:#}");
    let prompt = |n: usize| server.questions()[n].body["messages"][1]["content"].as_str().unwrap().to_owned();
    assert!(prompt(1).contains("may not be edited"), "{}", prompt(1));
    assert!(prompt(2).contains("syntax error"), "{}", prompt(2));
}

#[test]
fn a_server_that_only_misbehaves_loses_no_heal_that_another_fixer_reaches() {
    for step in [Step::Huge, Step::Status(500, None), Step::Say(KEY.into())] {
        let server = Server::new(std::slice::from_ref(&step));
        let project = Project::fixture("py-bounds-regressed");
        let (code, document) = heal(&project, &server, &["--fixers", "minimal,contract,undo", "--dry-run"]);
        assert_eq!(code, 10, "{step:?}: {document:#}");
        assert_eq!(document["heal"]["fixer"], "undo");
        assert!(!everything_written(&project).contains(KEY), "{step:?}");
    }
}

#[test]
fn a_model_that_never_helps_ends_as_a_stall_after_as_many_attempts_as_its_strategy_may_make_in_a_round() {
    let server = Server::new(&[Step::Say(WRONG.into())]);
    let project = Project::without_history("tap-bounds-regressed");
    project.write(".kaizen.yml", "strategies: {minimal: {attempts: 6, temperature: 0.4}}\n");
    let (code, document) = heal(&project, &server, &["--fixers", "minimal", "--max-tier", "1"]);
    // escalated, or broken on base: what is committed is as red
    assert!(matches!(code, 21 | 30), "{document:#}");
    assert!(document["fixers"][0].to_string().contains("stalled"), "{:#}", document["fixers"]);
    let questions = server.questions();
    // it says the same every time: the rules' warmer round follows, then somebody is asked what else could help
    assert_eq!(questions.len(), 6 + 6 + 1);
    let temperature = |n: usize| &questions[n].body["temperature"];
    assert_eq!((temperature(0), temperature(6)), (&json!(0.4), &json!(0.9)));
    assert_eq!((&document["models"][0]["turns"], &document["models"][0]["requests"]), (&json!(13), &json!(13)));
}

#[test]
fn a_large_model_that_failed_once_is_told_what_came_close_in_the_search() {
    let wrong = "half.py\n<<<<<<< SEARCH\n    return value + 2\n=======\n    return value + 7\n>>>>>>> REPLACE\n";
    let server = Server::of("scripted-70b", &[Step::Slow(3000, wrong)]);
    let project = Project::empty();
    project.write("half.py", "def half(value):\n    return value + 2\n");
    let tests = "from half import half\n\n\ndef test_up():\n    assert half(3) == 2\n\n\n\
        def test_down():\n    assert half(3) == 1\n";
    project.write("test_half.py", tests);
    project.commit("Half of it");
    let args =
        ["--cmd", "python3 -m pytest -q", "--fixers", "mutate,minimal", "--max-tier", "1", "--time-limit", "14s"];
    let (code, document) = heal(&project, &server, &args);
    assert!(matches!(code, 21 | 30), "{document:#}");
    let prompts: Vec<String> = server.questions().iter().map(|q| q.body["messages"][1].to_string()).collect();
    assert!(prompts.len() > 1 && !prompts[0].contains("came close"), "a first question is the same every time");
    assert!(
        prompts[1].contains("Edits that came close") && prompts[1].contains("still red with it: "),
        "{}",
        prompts[1]
    );
}

#[test]
fn a_small_model_heals_with_one_line() {
    let right = "WRONG:     while low < high:\nRIGHT:     while low <= high:\n\nThe loop ends too early.";
    for (answers, asked) in
        [(vec!["The bounds look odd to me.", right], 2), (vec!["?", "?", "?", "while low <= high:"], 9)]
    {
        let steps: Vec<Step> = answers.iter().map(|a| Step::Say((*a).to_owned())).collect();
        let server = Server::new(&steps);
        let project = Project::fixture("py-bounds");
        let (code, document) = heal(&project, &server, &["--fixers", "minimal", "--dry-run", "--explain"]);
        assert_eq!(code, 10, "{document:#}");
        assert!(document["heal"]["diff"].as_str().unwrap().contains("+    while low <= high:"), "{document:#}");
        assert!(server.questions().len() <= asked, "{}", server.questions().len());
        let routing = document["routing"][0]["line"].as_str().unwrap().to_owned();
        assert!(routing.starts_with("fix: own/scripted-7b (local"), "{routing}");
        assert!(
            server
                .questions()
                .iter()
                .all(|q| q.body["messages"][0]["content"] == server.questions()[0].body["messages"][0]["content"])
        );
    }
}

#[test]
fn a_small_model_is_asked_about_the_code_and_never_about_the_tests_that_stand_beside_it() {
    let wrong =
        "WRONG: assert_eq!(median(&[1.0, 2.0]), Some(1.5));\nRIGHT: assert_eq!(median(&[1.0, 2.0]), Some(2.0));";
    let right = "WRONG: Some((sorted[middle] + sorted[middle + 1]) / 2.0)\n\
        RIGHT: Some((sorted[middle - 1] + sorted[middle]) / 2.0)";
    let server = Server::new(&[Step::Say(wrong.into()), Step::Say("?".into()), Step::Say(right.into())]);
    let project = Project::fixture("rust-median");
    let (code, document) = heal(&project, &server, &["--fixers", "minimal", "--dry-run"]);
    assert_eq!(code, 10, "{document:#}");
    let questions = server.questions();
    assert_eq!(questions.len(), 3, "the edit of a test was refused, and nothing ran for it");
    for question in &questions {
        let prompt = question.body["messages"][1]["content"].as_str().unwrap();
        let code = prompt.split("## ").find(|part| part.starts_with("Code that may be edited")).unwrap();
        assert!(code.contains("let middle = sorted.len() / 2;") && !code.contains("assert_eq!"), "{code}");
        let asked = prompt.rsplit("## What to do").next().unwrap();
        assert!(!asked.contains("assert_eq!"), "{asked}");
    }
    let suspects = document["failure"]["suspects"].to_string();
    assert!(suspects.contains("\"median\""), "{suspects}");
}

#[test]
fn a_model_that_can_call_tools_looks_around_and_tries_its_edit_before_it_answers() {
    let call = |name: &'static str, arguments: Value| (name, arguments.to_string());
    let steps = [
        Step::Call(vec![
            call("read_file", json!({"path": "test_search.py", "from": 1, "to": 3})),
            call("read_file", json!({"path": "../../../etc/passwd"})),
            call("search", json!({"text": "def find"})),
            call("list_symbols", json!({"path": "search.py"})),
            call("rm", json!({"path": "/"})),
        ]),
        Step::Call(vec![call("run_red_tests", json!({"edit": WRONG}))]),
        Step::Call(vec![call("run_red_tests", json!({"edit": RIGHT}))]),
    ];
    let server = Server::of("scripted-70b", &steps);
    let project = Project::fixture("py-bounds");
    project.write(".kaizen.yml", "tools: true\n");
    let before = project.sacred();
    let (code, document) = heal(&project, &server, &["--fixers", "minimal", "--dry-run"]);
    assert_eq!(code, 10, "{document:#}");
    project.unchanged_since(&before);
    let questions = server.questions();
    assert_eq!(questions.len(), 3, "the green edit is the answer");
    assert_eq!(questions[0].body["tools"].as_array().unwrap().len(), 4);
    let said: Vec<String> = questions[2].body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|m| m["role"] == "tool")
        .map(|m| m["content"].as_str().unwrap().to_owned())
        .collect();
    assert!(said[0].starts_with("1: import pytest\n") && !said[0].contains("\n4: "), "{}", said[0]);
    assert!(said[1].contains("is no text file of the repository"), "{}", said[1]);
    assert_eq!((said[2].as_str(), said[3].as_str()), ("search.py:1: def find(values, wanted):\n", "1-12: find\n"));
    assert_eq!(said[4], "there is no tool `rm`");
    assert!(said[5].starts_with("still red: "), "{}", said[5]);
    // without the setting nothing is offered
    let server = Server::of("scripted-70b", &[Step::Say(RIGHT.into())]);
    let (code, _) = heal(&Project::fixture("py-bounds"), &server, &["--fixers", "minimal", "--dry-run"]);
    assert!(code == 10 && server.questions()[0].body.get("tools").is_none());
}

#[test]
fn calls_beyond_what_an_attempt_may_make_are_told_so_and_the_model_answers_without_anybody_speaking_in_between() {
    let look = || Step::Call(vec![("search", json!({"text": "def find"}).to_string()); 5]);
    let server = Server::of("scripted-70b", &[look(), look(), Step::Say(RIGHT.into())]);
    let project = Project::without_history("tap-bounds-regressed");
    project.write(".kaizen.yml", "tools: true\n");
    let (code, document) = heal(&project, &server, &["--fixers", "minimal", "--dry-run"]);
    assert_eq!(code, 10, "{document:#}");
    let questions = server.questions();
    let last = &questions[2].body;
    assert!(last.get("tools").is_none(), "none may be called any more");
    let messages = last["messages"].as_array().unwrap();
    let roles: Vec<&str> = messages.iter().map(|m| m["role"].as_str().unwrap()).collect();
    let tools = ["tool"; 5];
    assert_eq!(roles, [&["system", "user", "assistant"][..], &tools, &["assistant"], &tools].concat());
    let said: Vec<&str> =
        messages.iter().filter(|m| m["role"] == "tool").filter_map(|m| m["content"].as_str()).collect();
    assert!(said[..8].iter().all(|s| s.starts_with("search.py:1: ")), "{said:?}");
    assert!(said[8..].iter().all(|s| *s == "No more calls: answer now."), "{said:?}");
}

#[test]
fn explain_prints_who_was_asked_and_why() {
    let server = Server::new(&[Step::Say(RIGHT.into())]);
    let project = Project::without_history("tap-bounds-regressed");
    let out = project
        .command(env!("CARGO_BIN_EXE_kaizen-ci"))
        .env("KAIZEN_MODELS", "own")
        .env("KAIZEN_MODEL_URL", &server.url)
        .args(["heal", "--fixers", "minimal", "--dry-run", "--explain"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(text.contains("minimal: fix: own/scripted-7b (local, at most $0.00)"), "{text}");
    assert!(text.contains("1 turn, 18 tokens, $0.0000: own/scripted-7b"), "{text}");
}

#[test]
fn a_coding_agent_of_ones_own_is_a_fixer_and_never_runs_in_free_mode() {
    let project = Project::without_history("tap-bounds-regressed");
    let agent = "test -s \"$KAIZEN_PROMPT_FILE\" && test -z \"$PLANTED_TOKEN\" && sed -i 's/low < high/low <= high/' search.py && echo x >> test_search.py";
    project.write(".kaizen.yml", &format!("agents:\n  - name: mine\n    cmd: '{}'\n", agent.replace('\'', "\'\'")));
    let heal = |more: &[&str]| {
        let out = project
            .command(env!("CARGO_BIN_EXE_kaizen-ci"))
            .env("PLANTED_TOKEN", KEY)
            .args(
                [&["heal", "--json", "--fixers", "command", "--dry-run", "--max-tier", "1", "--force"], more].concat(),
            )
            .output()
            .unwrap();
        serde_json::from_slice::<Value>(&out.stdout).unwrap()
    };
    let free = heal(&["--free"]);
    assert!(free["fixers"][0].to_string().contains("free mode: what an agent costs is not known"), "{free:#}");
    let document = heal(&[]);
    assert_eq!(document["outcome"], "healed_not_applied", "{document:#}");
    assert_eq!(document["heal"]["fixer"], "command");
    assert!(document["fixers"][0].to_string().contains("edited what may not be edited, left out: test_search.py"));
    assert!(!document["heal"]["diff"].as_str().unwrap().contains("test_search.py"));
}

#[test]
fn a_misspelt_strategy_or_agent_or_a_price_of_nothing_is_refused_with_what_to_write() {
    let project = Project::without_history("tap-bounds-regressed");
    for (file, words) in [
        ("strategies: {minimall: {attempts: 2}}", "did you mean `minimal`"),
        ("agents: [{name: cloude}]", "aider, claude, codex, gemini, goose, qwen"),
        ("catalog: [{provider: groq, id: x, prompt: 0, answer: 0}]", "must be dollars"),
        ("roles: {fix: [grok/4]}", "which is no model"),
        ("catalog: [{provider: groq, id: x, prompt: 1, answer: 1, free: true}]", "has no `free`"),
        ("catalog: [{provider: groq, id: x, strength: 9}]", "`catalog` says no price of groq/x"),
        ("catalog: [{provider: ollama, id: x, prompt: 1}]", "`catalog` says no price of ollama/x"),
    ] {
        project.write(".kaizen.yml", &format!("{file}\n"));
        let out = project.kaizen(&["heal", "--dry-run"]);
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(said.contains(words), "{file}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_days_budget_is_shared_by_all_runs_and_a_price_from_the_configuration_makes_a_gateway_paid() {
    let (folder, server) = (tempfile::tempdir().unwrap(), Server::new(&[Step::Say("yes".into())]));
    let run = |cents: u64, free: bool| {
        priced(&server, |s| {
            s.cache = Some(CachePlace { state_dir: folder.path().to_owned(), url: None });
            s.day_cents = Some(cents);
            s.free_only = free;
        })
    };
    let (recorder, cancel) = (Recorder::forgetful(), CancellationToken::new());
    let asker = Asker { name: "test", recorder: &recorder, cancel: &cancel };
    let turn = turn(Duration::from_secs(3));
    let wish = Wish::of(Some(&Evidence::ModelFreeDone));
    assert_eq!(run(100, true).ask(&turn, &wish, asker).await.unwrap_err().name(), "no-model", "free mode");
    assert_eq!(
        run(100, false).ask(&turn, &Wish::default(), asker).await.unwrap_err().name(),
        "no-model",
        "no evidence"
    );
    // the worst case twice would be too much; in truth it is less than two cents
    let worst = dollars_for(wire::most_tokens(&turn) + u64::from(turn.answer_tokens));
    let day = worst.0.div_ceil(10_000_000) + 2;
    let answered = run(day, false).ask(&turn, &wish, asker).await.unwrap();
    assert_eq!(answered.reply.cost, kaizen_ci::model::Money(18_000_000));
    run(day, false).ask(&turn, &wish, asker).await.unwrap();
    let error = run(day, false).ask(&turn, &wish, asker).await.unwrap_err();
    assert_eq!(error.name(), "out-of-budget");
    assert_eq!(server.questions().len(), 2);
}

/// `heal --json` with what `KAIZEN_LOCAL_PORTS` says, whatever else listens on this machine.
fn heal_locally(project: &Project, ports: &str) -> Value {
    let out = project
        .command(env!("CARGO_BIN_EXE_kaizen-ci"))
        .env("KAIZEN_MODELS", "local")
        .env("KAIZEN_LOCAL_PORTS", ports)
        .args(["heal", "--json", "--fixers", "minimal,regression,contract,stepwise", "--max-tier", "1", "--dry-run"])
        .output()
        .unwrap();
    serde_json::from_slice(&out.stdout).unwrap()
}

#[test]
fn what_the_configuration_says_of_a_model_without_a_price_counts_on_this_machine_only() {
    let server = Server::new(&[Step::Empty]);
    let (url, port) = (&server.url, server.url.rsplit(':').next().unwrap().trim_end_matches("/v1"));
    let project = Project::empty();
    let said = "context: 32768, strength: 7, family: ours";
    let line = |provider: &str| format!("{{provider: {provider}, id: scripted-7b, {said}}}");
    project.write(".kaizen.yml", &format!("catalog: [{}, {}]\n", line("own"), line("llama.cpp")));
    // with a login in it the address is not this machine's for anybody
    let elsewhere = url.replace("http://", "http://me@");
    for (url, name, tier, family, context) in [
        (url.as_str(), "own/scripted-7b", "local", "ours", 32_768),
        ("", "llama.cpp/scripted-7b", "local", "ours", 32_768),
        (elsewhere.as_str(), "own/scripted-7b", "paid", "scripted-7b", 8192),
    ] {
        let out = project
            .command(env!("CARGO_BIN_EXE_kaizen-ci"))
            .env("KAIZEN_MODELS", if url.is_empty() { "local" } else { "own" })
            .env("KAIZEN_LOCAL_PORTS", format!("llama.cpp={port}"))
            .env("KAIZEN_MODEL_URL", url)
            .args(["models", "--json"])
            .output()
            .unwrap();
        let one = serde_json::from_slice::<Value>(&out.stdout).unwrap()["models"][0].clone();
        let said = json!([one["name"], one["tier"], one["family"], one["context_tokens"]]);
        assert_eq!(said, json!([name, tier, family, context]), "{one:#}");
    }
}

#[test]
fn without_a_model_the_fixers_say_so_at_once() {
    let document = heal_locally(&Project::without_history("tap-bounds-regressed"), "none");
    let fixers = document["fixers"].as_array().unwrap();
    assert_eq!(fixers.len(), 4);
    for fixer in fixers {
        assert!(fixer.to_string().contains("no model configured"), "{fixer:#}");
        assert!(fixer["ms"].as_u64().unwrap() < 100, "{fixer:#}");
    }
}

#[test]
fn a_server_of_this_machine_is_found_by_itself_where_it_listens() {
    let server = Server::new(&[Step::Say(RIGHT.into())]);
    let port = server.url.rsplit(':').next().unwrap().trim_end_matches("/v1").to_owned();
    let document = heal_locally(&Project::without_history("tap-bounds-regressed"), &format!("llama.cpp={port}"));
    assert_eq!(document["outcome"], "healed_not_applied", "{document:#}");
    assert_eq!(document["models"][0]["model"], "llama.cpp/scripted-7b");
}

#[test]
fn models_lists_what_answers_and_says_what_to_do_when_nothing_does() {
    let server = Server::new(&[Step::Empty]);
    let project = Project::empty();
    let list = |models: &str| {
        let out = project
            .command(env!("CARGO_BIN_EXE_kaizen-ci"))
            .env("KAIZEN_MODELS", models)
            .env("KAIZEN_MODEL_URL", &server.url)
            .args(["models", "--json"])
            .output()
            .unwrap();
        serde_json::from_slice::<Value>(&out.stdout).unwrap()["models"].clone()
    };
    let all = list("own");
    assert_eq!(all[0]["name"], "own/scripted-7b", "{all:#}");
    assert_eq!(
        (&all[0]["tier"], &all[0]["slots"], &all[0]["context_tokens"]),
        (&json!("local"), &json!(2), &json!(8192))
    );
    let out = project
        .command(env!("CARGO_BIN_EXE_kaizen-ci"))
        .env("KAIZEN_MODELS", "own")
        .env("KAIZEN_ROLES_CRITIC", "groq/other")
        .env("KAIZEN_MODEL_URL", &server.url)
        .args(["models"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(
        text.contains("fix              own/scripted-7b") && text.contains("critic           groq/other"),
        "{text}"
    );
    assert_eq!(list("off"), json!([]));
    let out = project.kaizen(&["models"]);
    assert!(String::from_utf8_lossy(&out.stdout).contains("healing works without one"));
    assert_eq!(server.questions().len(), 0, "listing asks no model anything");
}

//! `/kaizen prd PATH` under a pull request: the revised document as a commit on its branch, as suggestions, or in the answer.

use serde_json::json;

use super::fake::Fake;
use super::in_job;
use crate::council::{CHAT, REVISED, debate_of, staff};
use crate::project::Project;
use crate::scripted::Server;

const DOCUMENT: &str = "docs/prd.md";

/// A pull request with a document; the repository's default branch is checked out.
struct Scene {
    fake: Fake,
    project: Project,
    theirs: Project,
    head: String,
    number: u64,
}

impl Scene {
    fn new(text: &str, fork: bool) -> Self {
        let fake = Fake::start();
        let project = Project::empty();
        project.write("README.md", "a shop\n");
        project.commit("Begin");
        project.git(&["push", "-q", fake.repo().to_str().unwrap(), "HEAD:refs/heads/main"]);
        let theirs = Project::empty();
        theirs.write(DOCUMENT, text);
        theirs.commit("Ask for a chat");
        let head = theirs.git(&["rev-parse", "HEAD"]);
        let to = if fork { "HEAD:refs/pull/1/head" } else { "HEAD:refs/heads/feature" };
        theirs.git(&["push", "-q", fake.repo().to_str().unwrap(), to]);
        let number = fake.opens("feature", &head, fork);
        fake.state().roles.insert("mona".into(), "write");
        Self { fake, project, theirs, head, number }
    }

    /// The pull request shows all lines of the document.
    fn shown(self, text: &str) -> Self {
        let lines: String = text.lines().map(|line| format!("+{line}\n")).collect();
        let patch = format!("@@ -0,0 +1,{} @@\n{lines}", text.lines().count());
        self.fake.state().files = vec![json!({"filename": DOCUMENT, "status": "added", "patch": patch})];
        self
    }

    /// Mona asks; our answer.
    fn asked(&self, deliver: &str) -> String {
        self.says(&format!("/kaizen prd {DOCUMENT}"), deliver, &staff(REVISED))
    }

    fn says(&self, text: &str, deliver: &str, servers: &[Server]) -> String {
        let urls: Vec<&str> = servers.iter().map(|server| server.url.as_str()).collect();
        let id = self.fake.says(self.number, "mona", text);
        let payload = json!({
            "action": "created",
            "issue": {"number": self.number, "pull_request": {"url": "x"}},
            "comment": {"id": id, "body": text, "user": {"login": "mona", "type": "User"}},
            "repository": {"full_name": "octo/shop", "default_branch": "main"},
        });
        let mut command = self.project.command(env!("CARGO_BIN_EXE_kaizen-ci"));
        command.args(["action", "comment", "--deliver", deliver]);
        in_job(&mut command, &self.project, &self.fake, "issue_comment", &payload);
        command.env("KAIZEN_MODELS", "own").env("KAIZEN_MODEL_URL", urls.join(","));
        let out = command.output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "{said}");
        self.fake.assert_as_described();
        let state = self.fake.state();
        let mark = format!("<!-- kaizen-ci:comment={id} -->");
        let ours = state.comments.iter().find(|c| c["body"].as_str().unwrap().starts_with(&mark));
        ours.unwrap_or_else(|| panic!("no answer: {said}"))["body"].as_str().unwrap().to_owned()
    }

    fn tip(&self) -> String {
        self.fake.git(&["rev-parse", "feature"])
    }

    /// Somebody pushes to the branch; the pull request's event is older.
    fn moves(&self, path: &str, text: &str) -> String {
        self.theirs.write(path, text);
        self.theirs.commit("Go on");
        self.theirs.git(&["push", "-q", self.fake.repo().to_str().unwrap(), "HEAD:refs/heads/feature"]);
        self.theirs.git(&["rev-parse", "HEAD"])
    }
}

#[test]
fn where_pushing_is_allowed_the_revised_document_is_one_commit_on_the_branch_and_changes_nothing_else() {
    // a comment that nobody sees, away from what is rewritten
    let text = CHAT.replace("## Out of scope\n", "## Out of scope\n\n<!-- keep me -->\n");
    let scene = Scene::new(&text, false);
    let answer = scene.asked("push");
    let tip = scene.tip();
    assert_eq!(scene.fake.git(&["rev-parse", "feature^"]), scene.head, "{answer}");
    assert!(
        answer.contains(&format!("Committed to this branch as {tip}")) && answer.contains("| ✓ clarity"),
        "{answer}"
    );
    assert_eq!(scene.fake.git(&["diff", "--name-only", &scene.head, &tip]), DOCUMENT);
    let now = scene.fake.git(&["show", &format!("feature:{DOCUMENT}")]);
    assert!(now.contains("within 200 ms *(assumption)*") && now.contains("<!-- keep me -->"), "{now}");
    assert_eq!(scene.fake.git(&["rev-parse", "main"]), scene.project.git(&["rev-parse", "HEAD"]));
    assert!(scene.fake.state().reviews.is_empty());
}

#[test]
fn links_lead_to_what_is_in_the_pull_request_and_not_to_what_is_checked_out() {
    // the default branch has a README; the branch of the pull request has none
    for (link, there, passes) in [("notes.md", true, true), ("notes.md", false, false), ("../README.md", false, false)]
    {
        let text = CHAT.replace("Video.", &format!("Video, see [the notes]({link})."));
        let mut scene = Scene::new(&text, false);
        if there {
            scene.head = scene.moves("docs/notes.md", "Notes.\n");
            let number = usize::try_from(scene.number).unwrap();
            scene.number = scene.fake.opens("feature", &scene.head, false);
            assert!(scene.number as usize > number);
        }
        let answer = scene.asked("report");
        assert_eq!(answer.contains("prd.md` passes"), passes, "{link} {there}: {answer}");
    }
}

#[test]
fn elsewhere_it_is_suggested_under_the_lines_and_the_branch_stays_where_it_is() {
    for (deliver, fork) in [("pr", false), ("push", true)] {
        let scene = Scene::new(CHAT, fork).shown(CHAT);
        let answer = scene.asked(deliver);
        assert!(answer.contains("suggestion under the lines"), "{answer}");
        let state = scene.fake.state();
        let comment = &state.reviews[0]["comments"][0];
        assert_eq!((state.reviews.len(), comment["path"].as_str()), (1, Some(DOCUMENT)));
        let line = CHAT.lines().position(|line| line.contains("REQ-1")).unwrap() + 1;
        assert_eq!(comment["line"], line);
        assert!(comment["body"].as_str().unwrap().contains("within 200 ms *(assumption)*"), "{comment}");
        drop(state);
        let refs = scene.fake.git(&["for-each-ref", "--format=%(refname) %(objectname)"]);
        let theirs = if fork { "refs/pull/1/head" } else { "refs/heads/feature" };
        assert!(refs.contains(&format!("{theirs} {}", scene.head)) && refs.lines().count() == 2, "{refs}");
    }
}

#[test]
fn what_can_neither_be_committed_nor_suggested_is_a_diff_in_the_answer_with_the_reason() {
    // lines that the pull request does not show
    let answer = Scene::new(CHAT, false).asked("suggest");
    assert!(answer.contains("Not handed over") && answer.contains("does not show"), "{answer}");
    assert!(answer.contains("```diff") && answer.contains("+- REQ-1: The chat shall answer within 200 ms"), "{answer}");
    // nothing else was wanted
    let scene = Scene::new(CHAT, false).shown(CHAT);
    let answer = scene.asked("report");
    assert!(!answer.contains("Not handed over") && answer.contains("```diff"), "{answer}");
    assert_eq!((scene.tip(), scene.fake.state().reviews.len()), (scene.head.clone(), 0));
    // the line that is rewritten has something in it that nobody sees: it is not pushed over
    let text = CHAT.replace("REQ-1: The chat", "REQ-1: The <!-- and only here --> chat");
    let scene = Scene::new(&text, false).shown(&text);
    let answer = scene.asked("push");
    assert!(answer.contains("do not see") && scene.tip() == scene.head, "{answer}");
}

#[test]
fn a_branch_that_moved_gets_the_revision_on_top_unless_the_document_itself_was_changed() {
    let scene = Scene::new(CHAT, false);
    let moved = scene.moves("other.md", "Something else.\n");
    let answer = scene.asked("push");
    assert!(answer.contains("Committed to this branch"), "{answer}");
    assert_eq!(scene.fake.git(&["rev-parse", "feature^"]), moved);
    assert!(scene.fake.git(&["show", &format!("feature:{DOCUMENT}")]).contains("within 200 ms"));

    let scene = Scene::new(CHAT, false).shown(CHAT);
    let moved = scene.moves(DOCUMENT, &CHAT.replace("Video.", "Video and voice."));
    let answer = scene.asked("push");
    assert!(answer.contains("Not committed: the document was changed on the branch"), "{answer}");
    assert_eq!(scene.tip(), moved, "nobody's commit is pushed over");
}

#[test]
fn a_council_under_a_pull_request_reads_each_file_and_says_which_it_could_not_read() {
    let scene = Scene::new(CHAT, false);
    scene.fake.state().files = vec![
        json!({"filename": "src/store.rs", "status": "added", "patch": "@@ -0,0 +1 @@\n+one file takes one writer"}),
        json!({"filename": "logo.png", "status": "added"}),
        json!({"filename": "src/queue.rs", "status": "added", "patch": "@@ -0,0 +1 @@\n+a queue of seven workers"}),
    ];
    let servers = debate_of();
    let answer = scene.says("/kaizen council Which store?", "pr", &servers);
    assert!(answer.contains("Keep SQLite") && answer.contains("Left out: ") && answer.contains("logo.png"), "{answer}");
    let asked: String = servers.iter().flat_map(|server| server.questions()).map(|q| q.body.to_string()).collect();
    assert!(asked.contains("+one file takes one writer") && asked.contains("+a queue of seven workers"), "{asked}");
}

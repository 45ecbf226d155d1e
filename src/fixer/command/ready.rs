//! Ready-made definitions of coding agents: how each is started without a person in front of it, and which of its own
//! variables it may see.

/// How an agent is started. `{prompt}` stands for the question, `{file}` for the file that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// As `agents` names it.
    pub name: &'static str,
    /// Program and arguments; never through a shell.
    pub argv: &'static [&'static str],
    /// Secrets of its own that it may see.
    pub env: &'static [&'static str],
    /// Where in the home folder it keeps its settings, logins and sessions: behind a fence it may write there.
    pub state: &'static [&'static str],
    /// How it is installed.
    pub install: &'static str,
}

/// All of them, by name.
pub const READY: &[Ready] = &[
    Ready {
        name: "aider",
        argv: &["aider", "--yes-always", "--no-auto-commits", "--no-check-update", "--message-file", "{file}"],
        env: &["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENROUTER_API_KEY", "DEEPSEEK_API_KEY", "GEMINI_API_KEY"],
        state: &[".aider"],
        install: "python -m pip install aider-install && aider-install",
    },
    Ready {
        name: "claude",
        argv: &["claude", "-p", "{prompt}", "--permission-mode", "acceptEdits"],
        env: &["ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"],
        state: &[".claude", ".claude.json"],
        install: "npm install -g @anthropic-ai/claude-code",
    },
    Ready {
        name: "codex",
        argv: &["codex", "exec", "--full-auto", "--skip-git-repo-check", "{prompt}"],
        env: &["OPENAI_API_KEY", "CODEX_API_KEY"],
        state: &[".codex"],
        install: "npm install -g @openai/codex",
    },
    Ready {
        name: "gemini",
        argv: &["gemini", "--approval-mode", "auto_edit", "-p", "{prompt}"],
        env: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        state: &[".gemini"],
        install: "npm install -g @google/gemini-cli",
    },
    Ready {
        name: "goose",
        argv: &["goose", "run", "--no-session", "-i", "{file}"],
        env: &["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENROUTER_API_KEY", "GOOGLE_API_KEY"],
        state: &[".config/goose", ".local/share/goose", ".local/state/goose"],
        install: "see https://block.github.io/goose",
    },
    Ready {
        name: "qwen",
        argv: &["qwen", "--approval-mode", "auto-edit", "-p", "{prompt}"],
        env: &["OPENAI_API_KEY", "DASHSCOPE_API_KEY"],
        state: &[".qwen"],
        install: "npm install -g @qwen-code/qwen-code",
    },
];

/// The definition of this name.
pub fn find(name: &str) -> Option<&'static Ready> {
    READY.iter().find(|r| r.name == name)
}

impl Ready {
    /// The command line: the question is one argument, whatever stands in it.
    pub fn argv(&self, prompt: &str, file: &str) -> Vec<String> {
        let fill = |arg: &&str| match *arg {
            "{prompt}" => prompt.to_owned(),
            "{file}" => file.to_owned(),
            arg => arg.to_owned(),
        };
        self.argv.iter().map(fill).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_definition_takes_the_question_once_and_as_one_argument() {
        for ready in READY {
            let takes = ready.argv.iter().filter(|a| matches!(**a, "{prompt}" | "{file}")).count();
            assert_eq!(takes, 1, "{}", ready.name);
            let argv = ready.argv("fix $(this); `now` {file}", "/tmp/q");
            assert_eq!(argv.len(), ready.argv.len());
            assert_eq!((argv[0].as_str(), ready.argv[0]), (ready.name, ready.name));
        }
        let argv = find("codex").unwrap().argv("a b; c {file}", "/tmp/q");
        assert_eq!(argv.last().unwrap(), "a b; c {file}", "what stands in the question is not filled in again");
    }

    #[test]
    fn the_variables_that_an_agent_may_see_are_secrets_that_nobody_else_sees() {
        use crate::process::environment::{Removed, removed};
        for variable in READY.iter().flat_map(|r| r.env) {
            assert_eq!(removed(variable.as_ref(), "x".as_ref()), Some(Removed::Secret), "{variable}");
        }
    }
}

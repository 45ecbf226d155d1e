//! Command lines as people write them, read as far as that is possible without a shell: words, steps, assignments.

/// One simple command of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// Assignments in front of it.
    pub env: Vec<(String, String)>,
    /// Program and arguments.
    pub argv: Vec<String>,
}

/// A command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// Its simple commands in the order they are written.
    pub steps: Vec<Step>,
    /// Nothing in it needs a shell but `&&`: no pipe, redirection, expansion or glob. Without this the words are a guess.
    pub simple: bool,
    /// It is not simple because of patterns of files alone.
    pub globs: bool,
}

/// Reads `line`. Never fails: what is not understood makes it not simple.
pub fn read(line: &str) -> Line {
    let mut reader = Reader { simple: true, ..Reader::default() };
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                reader.quoted = true;
                reader.word.extend(chars.by_ref().take_while(|c| *c != '\''));
            }
            '"' => reader.double_quoted(&mut chars),
            '\\' => match chars.next() {
                Some('\n') | None => {}
                Some(c) => reader.word.push(c),
            },
            ' ' | '\t' | '\r' => reader.end_word(),
            '#' if reader.word.is_empty() && !reader.quoted => while chars.next_if(|c| *c != '\n').is_some() {},
            '&' if chars.next_if_eq(&'&').is_some() => reader.end_step(),
            '&' | '|' | ';' | '\n' | '(' | ')' => {
                reader.simple &= c == '\n';
                reader.end_step();
            }
            '<' | '>' => {
                reader.simple = false;
                reader.end_word();
                reader.redirected = true;
            }
            _ => {
                reader.simple &= !matches!(c, '$' | '`' | '{' | '~' | '!');
                reader.globs |= matches!(c, '*' | '?' | '[');
                reader.word.push(c);
            }
        }
    }
    reader.end_step();
    let Reader { steps, simple, globs, .. } = reader;
    Line { steps, simple: simple && !globs, globs: simple && globs }
}

/// The commands of `line` as they are written, when nothing but `&&` stands between them.
pub fn chain(line: &str) -> Option<Vec<String>> {
    let mut out = vec![String::new()];
    let mut quote = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '&') if chars.next_if_eq(&'&').is_some() => {
                out.push(String::new());
                continue;
            }
            (None, '&' | '|' | ';' | '\n' | '(' | ')' | '`' | '#') => return None,
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), _) if c == open => quote = None,
            _ => {}
        }
        let Some(piece) = out.last_mut() else { break };
        piece.push(c);
        if c == '\\' && quote != Some('\'') {
            piece.extend(chars.next());
        }
    }
    let out = out.into_iter().map(|piece| piece.trim().to_owned()).filter(|piece| !piece.is_empty());
    quote.is_none().then(|| out.collect())
}

#[derive(Default)]
struct Reader {
    steps: Vec<Step>,
    step: Step,
    word: String,
    quoted: bool,
    redirected: bool,
    simple: bool,
    globs: bool,
}

impl Reader {
    fn double_quoted(&mut self, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
        self.quoted = true;
        while let Some(c) = chars.next() {
            match c {
                '"' => return,
                '\\' => self.word.extend(chars.next()),
                _ => {
                    self.simple &= !matches!(c, '$' | '`');
                    self.word.push(c);
                }
            }
        }
        self.simple = false;
    }

    fn end_word(&mut self) {
        if self.word.is_empty() && !self.quoted {
            return;
        }
        let word = std::mem::take(&mut self.word);
        let quoted = std::mem::take(&mut self.quoted);
        if std::mem::take(&mut self.redirected) {
            return;
        }
        match word.split_once('=').filter(|(name, _)| self.step.argv.is_empty() && is_name(name)) {
            Some((name, value)) => self.step.env.push((name.to_owned(), value.to_owned())),
            // the number of a redirection such as 2>&1 is not told from a word: harmless in a guess
            None if word.is_empty() && !quoted => {}
            None => self.step.argv.push(word),
        }
    }

    fn end_step(&mut self) {
        self.end_word();
        let step = std::mem::take(&mut self.step);
        if !step.argv.is_empty() {
            self.steps.push(step);
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
        && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// `text` as one word of a POSIX shell.
pub fn quote(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(safe) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argvs(line: &str) -> (Vec<Vec<String>>, bool) {
        let read = read(line);
        (read.steps.into_iter().map(|s| s.argv).collect(), read.simple)
    }

    #[test]
    fn lines_become_steps_of_words() {
        let cases: [(&str, &[&[&str]], bool); 10] = [
            ("pytest -q", &[&["pytest", "-q"]], true),
            (
                "cd x && python -m pytest -k 'a or b'",
                &[&["cd", "x"], &["python", "-m", "pytest", "-k", "a or b"]],
                true,
            ),
            ("A=1 B=\"2 3\" npm test", &[&["npm", "test"]], true),
            ("pytest | tee log", &[&["pytest"], &["tee", "log"]], false),
            ("pytest > out.txt", &[&["pytest"]], false),
            ("pytest $ARGS", &[&["pytest", "$ARGS"]], false),
            ("pytest tests/*.py", &[&["pytest", "tests/*.py"]], false),
            ("echo 'a b' # comment", &[&["echo", "a b"]], true),
            ("a; b || c", &[&["a"], &["b"], &["c"]], false),
            ("echo ''", &[&["echo", ""]], true),
        ];
        for (line, steps, simple) in cases {
            let expected: Vec<Vec<String>> =
                steps.iter().map(|s| s.iter().map(|w| (*w).to_owned()).collect()).collect();
            assert_eq!(argvs(line), (expected, simple), "{line}");
        }
    }

    #[test]
    fn assignments_in_front_are_not_words() {
        let line = read("A=1 B=\"2 3\" env");
        assert_eq!(line.steps[0].env, [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2 3".to_owned())]);
    }

    #[test]
    fn a_chain_is_cut_at_its_links_and_at_nothing_else() {
        for (line, expected) in [
            ("a && b -x 'c && d'", Some(vec!["a", "b -x 'c && d'"])),
            (r#"a "b \" && c" && d"#, Some(vec![r#"a "b \" && c""#, "d"])),
            (r"a \&& b", None),
            ("a", Some(vec!["a"])),
            ("", Some(vec![])),
            ("a || b", None),
            ("a; b", None),
            ("a | b && c", None),
            ("a && (b)", None),
            ("a & b", None),
            ("a 'b", None),
        ] {
            let expected = expected.map(|pieces| pieces.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(chain(line), expected, "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn quoted_words_are_read_back_as_they_were(word in "[^\0\n]{0,20}") {
            let line = read(&format!("echo {}", quote(&word)));
            proptest::prop_assert_eq!(&line.steps[0].argv[1], &word);
            proptest::prop_assert!(line.simple);
        }

        #[test]
        fn nothing_makes_the_reader_panic(line in "\\PC*") {
            read(&line);
        }
    }
}

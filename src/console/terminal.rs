//! The two streams of the terminal: colours only where they are wanted, broken pipes are no reason to fail.

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Standard output and standard error, or buffers that a test reads.
#[derive(Clone)]
pub struct Terminal {
    out: Stream,
    err: Stream,
    /// A person can be asked: standard input and output are terminals.
    pub can_ask: bool,
}

#[derive(Clone)]
struct Stream {
    writer: Arc<Mutex<Box<dyn Write + Send>>>,
    is_terminal: bool,
    colour: bool,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal").field("can_ask", &self.can_ask).finish_non_exhaustive()
    }
}

impl Terminal {
    /// The process's own streams. `colour`: `false` switches colours off even where the terminal has them.
    pub fn real(colour: bool) -> Self {
        let colour_of = |choice: anstream::ColorChoice| colour && !matches!(choice, anstream::ColorChoice::Never);
        let out = Stream {
            is_terminal: io::stdout().is_terminal(),
            colour: colour_of(anstream::AutoStream::choice(&io::stdout())),
            writer: Arc::new(Mutex::new(Box::new(io::stdout()))),
        };
        let err = Stream {
            is_terminal: io::stderr().is_terminal(),
            colour: colour_of(anstream::AutoStream::choice(&io::stderr())),
            writer: Arc::new(Mutex::new(Box::new(io::stderr()))),
        };
        let can_ask = out.is_terminal && io::stdin().is_terminal();
        Self { out, err, can_ask }
    }

    /// Streams into two buffers, for tests.
    pub fn captured() -> (Self, Captured, Captured) {
        let (out, err) = (Captured::default(), Captured::default());
        let stream = |buffer: &Captured| Stream {
            writer: Arc::new(Mutex::new(Box::new(buffer.clone()))),
            is_terminal: false,
            colour: false,
        };
        (Self { out: stream(&out), err: stream(&err), can_ask: false }, out, err)
    }

    /// Text to standard output.
    pub fn out(&self, text: &str) {
        self.out.write(text);
    }
    /// Bytes to standard output as they are.
    pub fn out_bytes(&self, bytes: &[u8]) {
        self.out.write_bytes(bytes);
    }
    /// Text to standard error.
    pub fn err(&self, text: &str) {
        self.err.write(text);
    }
    /// Standard output is a terminal.
    pub fn out_is_terminal(&self) -> bool {
        self.out.is_terminal
    }
    /// Standard error is a terminal.
    pub fn err_is_terminal(&self) -> bool {
        self.err.is_terminal
    }
    /// How to style what goes to standard output.
    pub fn out_style(&self) -> super::style::Style {
        super::style::Style::new(self.out.colour)
    }
    /// How to style what goes to standard error.
    pub fn err_style(&self) -> super::style::Style {
        super::style::Style::new(self.err.colour)
    }
}

impl Stream {
    fn write(&self, text: &str) {
        self.write_bytes(text.as_bytes());
    }
    /// A reader that went away (`kaizen-ci runs | head`) is not an error of ours.
    fn write_bytes(&self, bytes: &[u8]) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writer.write_all(bytes).and_then(|()| writer.flush());
    }
}

/// What was written to a captured stream.
#[derive(Debug, Clone, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    /// As text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

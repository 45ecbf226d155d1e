//! The live display: draws the picture in place, a few times a second, on standard error.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::progress::Picture;
use super::style::Style;
use crate::trajectory::{Entry, Sink};

/// Ten frames a second: smooth for the eye, nothing for the machine.
const FRAME: Duration = Duration::from_millis(100);

/// A live display. Clones show the same one.
#[derive(Clone)]
pub struct Live(Arc<Mutex<Screen>>);

struct Screen {
    picture: Picture,
    style: Style,
    frame: usize,
    lines: MultiProgress,
    bars: Vec<ProgressBar>,
    over: bool,
}

impl Live {
    /// Begins to draw; a thread keeps it moving until [`Live::finish`] or the last clone is gone.
    pub fn start(style: Style) -> Self {
        let screen = Screen {
            picture: Picture::default(),
            style,
            frame: 0,
            lines: MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(20)),
            bars: Vec::new(),
            over: false,
        };
        let live = Self(Arc::new(Mutex::new(screen)));
        let weak = Arc::downgrade(&live.0);
        // Without the thread the marks stand still, which is no reason to fail.
        let _ = std::thread::Builder::new().name("live display".into()).spawn(move || keep_moving(&weak));
        live
    }

    /// Takes the display off the screen; nothing is drawn any more.
    pub fn finish(&self) {
        let mut screen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        screen.over = true;
        for bar in screen.bars.drain(..) {
            bar.finish_and_clear();
        }
        let _ = screen.lines.clear();
    }
}

fn keep_moving(screen: &Weak<Mutex<Screen>>) {
    loop {
        std::thread::sleep(FRAME);
        let Some(screen) = screen.upgrade() else { return };
        let mut screen = screen.lock().unwrap_or_else(PoisonError::into_inner);
        if screen.over {
            return;
        }
        screen.frame += 1;
        screen.draw();
    }
}

impl Screen {
    fn draw(&mut self) {
        let lines = self.picture.lines(jiff::Timestamp::now(), self.frame, self.style);
        while self.bars.len() < lines.len() {
            let bar = self.lines.add(ProgressBar::new_spinner());
            // The template is a constant that parses; without it the default style would be drawn.
            if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
                bar.set_style(style);
            }
            self.bars.push(bar);
        }
        for (bar, line) in self.bars.iter().zip(lines) {
            bar.set_message(line);
            bar.tick();
        }
    }
}

impl Sink for Live {
    fn take(&mut self, entry: &Entry) {
        let mut screen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        screen.picture.take(entry);
    }
}

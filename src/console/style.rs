//! Colours: on where the terminal has them and nobody switched them off, else the plain text.

/// Colours on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    colour: bool,
}

macro_rules! paint {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        $($(#[$doc])*
        pub fn $name(self, text: &str) -> String {
            self.paint($code, text)
        })*
    };
}

impl Style {
    /// With colours, or without.
    pub fn new(colour: bool) -> Self {
        Self { colour }
    }
    /// Without.
    pub fn plain() -> Self {
        Self { colour: false }
    }
    /// Colours are on.
    pub fn has_colour(self) -> bool {
        self.colour
    }
    fn paint(self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
    paint! {
        /// For what matters most.
        bold = "1";
        /// For what may be overlooked.
        dim = "2";
        /// Good.
        green = "32";
        /// Bad.
        red = "31";
        /// Mind this.
        yellow = "33";
        /// Names and places.
        cyan = "36";
        /// A good headline.
        good = "1;32";
        /// A bad headline.
        bad = "1;31";
        /// A headline in between.
        warn = "1;33";
        /// The part of a removed line that differs.
        removed_part = "1;31;7";
        /// The part of an added line that differs.
        added_part = "1;32;7";
    }
}

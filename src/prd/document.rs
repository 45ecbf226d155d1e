//! A PRD taken apart: sections, blocks, sentences, requirements, ids and links, each with its place in the source.
//!
//! Rules look at a *masked* copy of the text that has the same length in bytes: what is no prose (code blocks, tables,
//! quotes, HTML, addresses, markup) is blank there and inline code is underscores, but for an id in front. So a place in the mask is a place in
//! the source, and no rule can find fault with what it may not read.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::LazyLock;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use regex::Regex;

use crate::prd::identifiers::{self, Definition};
use crate::prd::parts::Part;
use crate::prd::sentences::{self, pattern};

/// An address that stands in the text as it is.
pub static BARE_URL: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\b(?:https?|ftp)://[^\s)>\]]+"));
/// Heads of columns that say how a row is checked.
static CHECKS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)\b(?:accept\w*|criteri\w+|checks?|tests?|verif\w+|proof|evidence)\b"));

/// The document. Places are offsets in bytes into [`Document::text`].
#[derive(Debug, Clone)]
pub struct Document<'t> {
    /// As it was written.
    pub text: &'t str,
    /// Prose alone, blanks elsewhere; as long as `text`.
    pub prose: String,
    /// In order; the first one is what stands before the first heading.
    pub sections: Vec<Section>,
    /// Paragraphs, list items and headings, in order.
    pub blocks: Vec<Block>,
    /// Cells of tables, in order.
    pub cells: Vec<Cell>,
    /// What cells say, in order: blocks of the kind [`Kind::Cell`], heads left out.
    pub entries: Vec<Block>,
    /// Links, in order.
    pub links: Vec<Link>,
    /// Where ids are defined.
    pub definitions: Vec<Definition>,
    /// HTML comments, in order.
    pub comments: Vec<Range<usize>>,
    lines: Vec<usize>,
}

/// A heading and what stands below it, up to the next heading of any level.
#[derive(Debug, Clone)]
pub struct Section {
    /// The heading's words; empty for what stands before the first one.
    pub title: String,
    /// 1 to 6; 0 for what stands before the first heading.
    pub level: u8,
    /// Heading and content.
    pub range: Range<usize>,
    /// What the section is for.
    pub part: Part,
    /// Indices of the sections around it, outermost first.
    pub inside: Vec<usize>,
}

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A heading.
    Heading,
    /// A paragraph.
    Paragraph,
    /// The text of a list item.
    Item,
    /// The text of a table's cell.
    Cell,
}

/// A piece of prose.
#[derive(Debug, Clone)]
pub struct Block {
    /// What it is.
    pub kind: Kind,
    /// From its first to its last letter.
    pub range: Range<usize>,
    /// Index into [`Document::sections`].
    pub section: usize,
    /// How many lists it is in.
    pub depth: usize,
    /// An item of a list that another block introduces: `The export shall contain:`.
    pub continues: bool,
    /// States a requirement.
    pub requirement: bool,
    /// A user story where requirements are: it has to be exact, in a form of its own.
    pub story: bool,
    /// Of what cell it is, as an index into [`Document::cells`].
    pub cell: Option<usize>,
    /// The id that it defines.
    pub id: Option<String>,
    /// Its sentences.
    pub sentences: Vec<Range<usize>>,
}

/// A cell of a table.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Its place.
    pub range: Range<usize>,
    /// From 0.
    pub column: usize,
    /// Counts tables from 1.
    pub table: usize,
    /// Counts rows of the table, the head is 0.
    pub row: usize,
    /// Of the head row.
    pub head: bool,
    /// Index into [`Document::sections`].
    pub section: usize,
}

/// A link.
#[derive(Debug, Clone)]
pub struct Link {
    /// Its place.
    pub range: Range<usize>,
    /// Its address.
    pub to: String,
    /// It is an image's.
    pub image: bool,
}

/// The Markdown that documents are written in.
pub fn options() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
}

impl<'t> Document<'t> {
    /// Takes `text` apart. Any text is a document.
    pub fn new(text: &'t str) -> Self {
        // a byte order mark is no letter of the first line
        let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let mut reader = Reader::new(text, start);
        for (event, range) in Parser::new_ext(&text[start..], options()).into_offset_iter() {
            reader.take(&event, range.start + start..range.end + start);
        }
        reader.finish()
    }

    /// The prose of a place.
    pub fn at(&self, range: &Range<usize>) -> &str {
        self.prose.get(range.clone()).unwrap_or_default()
    }
    /// The source of a place.
    pub fn source(&self, range: &Range<usize>) -> &'t str {
        self.text.get(range.clone()).unwrap_or_default()
    }
    /// Line and column of an offset, both from 1; columns count characters.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.lines.get(line).copied().unwrap_or(0);
        (line + 1, self.text.get(start..offset).map_or(1, |before| before.chars().count() + 1))
    }
    /// The section that an offset is in.
    pub fn section_at(&self, offset: usize) -> usize {
        self.sections.partition_point(|section| section.range.start <= offset).saturating_sub(1)
    }
    /// The blocks that state requirements, those in tables last.
    pub fn requirements(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter().chain(&self.entries).filter(|block| block.requirement)
    }
    /// User stories where requirements are.
    pub fn stories(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter().chain(&self.entries).filter(|block| block.story)
    }
    /// The cells of the row that `block` is in.
    pub fn row(&self, block: &Block) -> impl Iterator<Item = &Cell> {
        let own = block.cell.and_then(|at| self.cells.get(at));
        self.cells.iter().filter(move |cell| own.is_some_and(|own| (own.table, own.row) == (cell.table, cell.row)))
    }
    /// Does the cell say how its row is checked?
    pub fn is_check(&self, cell: &Cell) -> bool {
        let head = self.cells.iter().find(|c| c.head && c.table == cell.table && c.column == cell.column);
        head.is_some_and(|head| CHECKS.is_match(self.source(&head.range)))
    }
    /// Is the section, or one around it, for `part`?
    pub fn is_in(&self, section: usize, part: Part) -> bool {
        let Some(found) = self.sections.get(section) else { return false };
        found.part == part || found.inside.iter().any(|outer| self.sections[*outer].part == part)
    }
    /// All of `section` with what is below its subheadings.
    pub fn whole(&self, section: usize) -> Range<usize> {
        let start = self.sections[section].range.start;
        let end = self.sections.iter().filter(|s| s.inside.contains(&section)).map(|s| s.range.end).max();
        start..end.unwrap_or(self.sections[section].range.end).max(self.sections[section].range.end)
    }
    /// Every id that is defined.
    pub fn defined(&self) -> BTreeSet<&str> {
        let strong = || self.definitions.iter().filter(|definition| !definition.weak);
        let families: BTreeSet<&str> = strong().map(|definition| identifiers::prefix(&definition.id)).collect();
        let alone = |d: &&Definition| d.weak && !families.contains(identifiers::prefix(&d.id));
        strong().chain(self.definitions.iter().filter(alone)).map(|definition| definition.id.as_str()).collect()
    }
}

/// A block that is not closed yet.
struct Open {
    kind: Kind,
    depth: usize,
    range: Option<Range<usize>>,
}

struct Reader<'t> {
    text: &'t str,
    prose: Vec<u8>,
    sections: Vec<Section>,
    blocks: Vec<Block>,
    cells: Vec<Cell>,
    links: Vec<Link>,
    open: Vec<Open>,
    depth: usize,
    /// Inside of what is left alone: how deep.
    silent: usize,
    tables: usize,
    cell: Option<Cell>,
    /// The text of the open cell.
    cell_text: Option<Range<usize>>,
    entries: Vec<Block>,
    comments: Vec<Range<usize>>,
    column: usize,
    row: usize,
    head: bool,
    /// Where the text begins.
    start: usize,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str, start: usize) -> Self {
        let blank = text.bytes().map(|byte| if byte == b'\n' { b'\n' } else { b' ' }).collect();
        let front = Section { title: String::new(), level: 0, range: 0..text.len(), part: Part::Other, inside: vec![] };
        Self {
            text,
            prose: blank,
            sections: vec![front],
            blocks: Vec::new(),
            cells: Vec::new(),
            links: Vec::new(),
            open: Vec::new(),
            depth: 0,
            silent: 0,
            tables: 0,
            cell: None,
            cell_text: None,
            entries: Vec::new(),
            comments: Vec::new(),
            column: 0,
            row: 0,
            head: false,
            start,
        }
    }

    fn take(&mut self, event: &Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, range),
            Event::End(tag) => self.end(tag),
            Event::Text(_) => self.words(range, None),
            Event::Code(code) => {
                // what is defined here may be written as code: `REQ-1`: The shop shall …
                let is_name = self.is_first() && identifiers::is_id(code);
                self.words(range, if is_name { None } else { Some(b'_') });
            }
            Event::InlineHtml(html) | Event::Html(html) if html.trim_start().starts_with("<!--") => {
                self.comments.push(range);
            }
            Event::InlineHtml(_)
            | Event::Html(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::SoftBreak
            | Event::HardBreak
            | Event::Rule
            | Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>, range: Range<usize>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.begin_section(*level, range);
                self.open.push(Open { kind: Kind::Heading, depth: 0, range: None });
            }
            Tag::Paragraph => {
                // the paragraph of a loose list's item is the item's text
                let kind = if self.open.is_empty() { Kind::Paragraph } else { Kind::Item };
                self.close_text();
                self.open.push(Open { kind, depth: self.depth, range: None });
            }
            Tag::Item => self.open.push(Open { kind: Kind::Item, depth: self.depth, range: None }),
            Tag::List(_) => {
                self.close_text();
                self.depth += 1;
            }
            Tag::CodeBlock(_)
            | Tag::BlockQuote(_)
            | Tag::HtmlBlock
            | Tag::MetadataBlock(_)
            | Tag::FootnoteDefinition(_)
            | Tag::Strikethrough => self.silent += 1,
            Tag::Table(_) => {
                self.silent += 1;
                self.tables += 1;
            }
            Tag::TableHead => (self.head, self.column, self.row) = (true, 0, 0),
            Tag::TableRow => (self.head, self.column, self.row) = (false, 0, self.row + 1),
            Tag::TableCell => {
                let section = self.sections.len() - 1;
                let (column, table, row, head) = (self.column, self.tables, self.row, self.head);
                self.cell = Some(Cell { range, column, table, row, head, section });
                self.column += 1;
            }
            Tag::Link { dest_url, .. } if self.silent == 0 || self.cell.is_some() => {
                self.links.push(Link { range, to: dest_url.to_string(), image: false });
            }
            Tag::Image { dest_url, .. } if self.silent == 0 || self.cell.is_some() => {
                self.links.push(Link { range, to: dest_url.to_string(), image: true });
            }
            Tag::Link { .. }
            | Tag::Image { .. }
            | Tag::Emphasis
            | Tag::Strong
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Superscript
            | Tag::Subscript => {}
        }
    }

    fn end(&mut self, tag: &TagEnd) {
        match tag {
            TagEnd::Heading(_) | TagEnd::Paragraph | TagEnd::Item => {
                self.close_text();
                self.open.pop();
            }
            TagEnd::List(_) => self.depth = self.depth.saturating_sub(1),
            TagEnd::CodeBlock
            | TagEnd::BlockQuote(_)
            | TagEnd::HtmlBlock
            | TagEnd::MetadataBlock(_)
            | TagEnd::FootnoteDefinition
            | TagEnd::Strikethrough
            | TagEnd::Table => self.silent = self.silent.saturating_sub(1),
            TagEnd::TableCell => self.close_cell(),
            TagEnd::TableHead
            | TagEnd::TableRow
            | TagEnd::Link
            | TagEnd::Image
            | TagEnd::Emphasis
            | TagEnd::Strong
            | TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition
            | TagEnd::Superscript
            | TagEnd::Subscript => {}
        }
    }

    fn begin_section(&mut self, level: HeadingLevel, range: Range<usize>) {
        let level = level as u8;
        if let Some(last) = self.sections.last_mut() {
            last.range.end = range.start;
        }
        let last = self.sections.len() - 1;
        let mut inside: Vec<usize> = self.sections[last].inside.iter().copied().chain([last]).collect();
        inside.retain(|outer| (1..level).contains(&self.sections[*outer].level));
        let range = range.start..self.text.len();
        self.sections.push(Section { title: String::new(), level, range, part: Part::Other, inside });
    }

    /// Does nothing stand yet in what is open?
    fn is_first(&self) -> bool {
        match &self.cell {
            Some(_) => self.cell_text.is_none(),
            None => self.open.last().is_some_and(|open| open.range.is_none()),
        }
    }

    fn words(&mut self, range: Range<usize>, instead: Option<u8>) {
        // a table in what is left alone is left alone, too
        let text = match (&self.cell, self.silent) {
            (Some(_), 1) => &mut self.cell_text,
            (_, 0) => match self.open.last_mut() {
                Some(open) => &mut open.range,
                None => return,
            },
            _ => return,
        };
        for at in range.clone() {
            if self.prose[at] != b'\n' {
                self.prose[at] = instead.unwrap_or(self.text.as_bytes()[at]);
            }
        }
        match text {
            Some(so_far) => so_far.end = range.end,
            None => *text = Some(range),
        }
    }

    fn close_cell(&mut self) {
        let (Some(cell), text) = (self.cell.take(), self.cell_text.take()) else { return };
        if let Some(range) = text.filter(|_| !cell.head) {
            let at = self.cells.len();
            self.entries.push(Block { cell: Some(at), ..Block::new(Kind::Cell, range, cell.section, 0) });
        }
        self.cells.push(cell);
    }

    /// Makes a block of the text that the innermost open one has so far; it can go on after a list inside of it.
    fn close_text(&mut self) {
        let Some(open) = self.open.last_mut() else { return };
        let Some(range) = open.range.take() else { return };
        self.blocks.push(Block::new(open.kind, range, self.sections.len() - 1, open.depth));
    }

    fn finish(self) -> Document<'t> {
        let lines = std::iter::once(self.start).chain(self.text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        // whole pieces of the source, blanks and underscores: UTF-8 again, but a reader's mistake is no reason to panic
        let prose = String::from_utf8(self.prose).unwrap_or_else(|_| " ".repeat(self.text.len()));
        let prose = without_addresses(&prose);
        let mut document = Document {
            text: self.text,
            prose,
            sections: self.sections,
            blocks: self.blocks,
            cells: self.cells,
            entries: self.entries,
            links: self.links,
            comments: self.comments,
            definitions: Vec::new(),
            lines,
        };
        name_sections(&mut document);
        mark_continuations(&mut document);
        document.definitions = identifiers::definitions(&document);
        mark_requirements(&mut document);
        mark_entries(&mut document);
        document
    }
}

impl Block {
    fn new(kind: Kind, range: Range<usize>, section: usize, depth: usize) -> Self {
        let (continues, requirement, story, id, cell) = (false, false, false, None, None);
        Self { kind, range, section, depth, continues, requirement, story, id, cell, sentences: Vec::new() }
    }
}

/// Underscores instead of addresses: no rule finds fault with the words in one.
fn without_addresses(prose: &str) -> String {
    let mask = |hit: &regex::Captures<'_>| {
        let whole = hit.get(0).map_or("", |m| m.as_str());
        let address = whole.trim_end_matches(['.', ',', ';', ':', '!', '?']);
        format!("{}{}", "_".repeat(address.len()), &whole[address.len()..])
    };
    BARE_URL.replace_all(prose, mask).into_owned()
}

fn name_sections(document: &mut Document<'_>) {
    for block in document.blocks.iter().filter(|block| block.kind == Kind::Heading) {
        let title = document.prose.get(block.range.clone()).unwrap_or_default();
        let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
        let section = &mut document.sections[block.section];
        section.part = Part::of(&title);
        section.title = title;
    }
}

/// An item below another item, or of a list after `…:`, goes on with what was said before.
fn mark_continuations(document: &mut Document<'_>) {
    let mut introduced: Option<(usize, usize)> = None;
    for at in 0..document.blocks.len() {
        let block = &document.blocks[at];
        let text = document.prose.get(block.range.clone()).unwrap_or_default().trim_end();
        let opens = text.ends_with(':');
        let (kind, section, depth) = (block.kind, block.section, block.depth);
        let continues = kind == Kind::Item && (depth > 1 || introduced.is_some_and(|(s, d)| s == section && d < depth));
        if kind != Kind::Item || opens {
            introduced = (opens && kind != Kind::Heading).then_some((section, depth));
        }
        document.blocks[at].continues = continues;
        document.blocks[at].sentences = sentences::split(&document.prose, &document.blocks[at].range);
    }
}

fn mark_requirements(document: &mut Document<'_>) {
    let ids: BTreeMap<usize, String> = document
        .definitions
        .iter()
        .filter(|d| !d.weak && d.table.is_none())
        .filter_map(|d| Some((d.block?, d.id.clone())))
        .rev()
        .collect();
    for at in 0..document.blocks.len() {
        let block = &document.blocks[at];
        let id = ids.get(&at).cloned();
        let text = document.at(&block.range);
        let is_criterion = id.as_deref().is_some_and(|id| Part::of_prefix(id) == Part::Acceptance);
        let may_bind = block.kind != Kind::Heading && !is_criterion && binds(document, block.section, text);
        let is_story = sentences::is_story(text);
        let states = may_bind
            && !is_story
            && (id.is_some() || sentences::has_shall(text) || is_bare(document, block) || is_wish(document, block));
        let story = may_bind && is_story;
        let block = &mut document.blocks[at];
        (block.requirement, block.story, block.id) = (states, story, id);
    }
}

/// May `text` bind anybody: it is neither a criterion nor a question, and stands where requirements can be?
fn binds(document: &Document<'_>, section: usize, text: &str) -> bool {
    !Part::NO_REQUIREMENTS.iter().any(|part| document.is_in(section, *part))
        && !sentences::is_criterion(text)
        && !text.trim_end().ends_with('?')
}

/// An item of a list of requirements that has neither an id nor a `shall`.
fn is_bare(document: &Document<'_>, block: &Block) -> bool {
    block.kind == Kind::Item
        && !block.continues
        && document.is_in(block.section, Part::Requirements)
        && document.at(&block.range).split_whitespace().next().is_some()
}

/// A paragraph among requirements that says what the product should, will or can do.
fn is_wish(document: &Document<'_>, block: &Block) -> bool {
    block.kind == Kind::Paragraph
        && document.is_in(block.section, Part::Requirements)
        && !document.at(&block.range).trim_end().ends_with(':')
        && block.sentences.iter().any(|sentence| sentences::has_modal(document.at(sentence)))
}

/// What an entry of a row is to the rules.
struct Mark {
    entry: usize,
    /// It is what the row states; the others go on with it.
    states: bool,
    story: bool,
    id: Option<String>,
}

/// Entries by the row that they are in.
fn rows(document: &Document<'_>) -> BTreeMap<(usize, usize), Vec<usize>> {
    let mut rows: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for (at, entry) in document.entries.iter().enumerate() {
        let Some(cell) = entry.cell.and_then(|cell| document.cells.get(cell)) else { continue };
        rows.entry((cell.table, cell.row)).or_default().push(at);
    }
    rows
}

/// Marks rows that define a requirement, and rows among requirements.
fn mark_entries(document: &mut Document<'_>) {
    for entry in &mut document.entries {
        entry.sentences = sentences::split(&document.prose, &entry.range);
    }
    let defined: BTreeMap<usize, &Definition> =
        document.definitions.iter().filter(|d| d.table.is_some()).map(|d| (d.range.start, d)).collect();
    let marks: Vec<Mark> =
        rows(document).into_values().flat_map(|entries| marks(document, &defined, &entries)).collect();
    for Mark { entry, states, story, id } in marks {
        let entry = &mut document.entries[entry];
        (entry.requirement, entry.story, entry.continues, entry.id) = (!story, story, !states, id);
    }
}

/// The marks of one row. The cell with the most words is what it states, the others go on with it; short ones (a priority, a
/// name) and those that say how it is checked state nothing.
fn marks(document: &Document<'_>, defined: &BTreeMap<usize, &Definition>, entries: &[usize]) -> Vec<Mark> {
    const SHORT_WORDS: usize = 3;
    let Some(section) = entries.first().map(|at| document.entries[*at].section) else { return Vec::new() };
    let range = |at: usize| document.entries[at].range.clone();
    let text = |at: usize| document.at(&document.entries[at].range);
    let words = |at: usize| text(at).split_whitespace().count();
    let checks = |at: usize| document.entries[at].cell.is_some_and(|cell| document.is_check(&document.cells[cell]));
    let id_at = entries.iter().copied().find(|at| defined.range(range(*at)).next().is_some());
    let definition = id_at.and_then(|at| defined.range(range(at)).next()).map(|(_, definition)| *definition);
    let binding = definition.filter(|d| !d.weak && Part::of_prefix(&d.id) == Part::Requirements);
    let id = binding.map(|d| d.id.clone());
    if id.is_none() && !document.is_in(section, Part::Requirements) {
        return Vec::new();
    }
    let says = |at: &usize| id_at != Some(*at) && !checks(*at) && binds(document, section, text(*at));
    let said: Vec<usize> = entries.iter().copied().filter(says).collect();
    let weight = |at: &usize| (sentences::has_shall(text(*at)), words(*at), std::cmp::Reverse(*at));
    let statement = said.iter().copied().max_by_key(weight);
    let mark = |entry: usize| {
        let states = Some(entry) == statement && (id.is_some() || sentences::has_shall(text(entry)));
        Mark { entry, states, story: sentences::is_story(text(entry)), id: id.clone() }
    };
    said.into_iter().filter(|at| Some(*at) == statement || words(*at) >= SHORT_WORDS).map(mark).collect()
}
